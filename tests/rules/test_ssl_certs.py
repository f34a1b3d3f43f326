"""Certificates of load balancers: what is kept, what is refused, and where the key is not."""

from __future__ import annotations

import pytest

from tests.rules.certificates import fresh, issue, text
from tests.rules.world import address_for, network_of
from tests.tenant.test_refusals import gone, refusal
from tests.tenant.world import Place


@pytest.fixture
def site() -> dict[str, str]:
    """A certificate with its key and the authority that signed it."""
    root, key = fresh(), fresh()
    return {
        "certificate": issue("site", key, "root", root),
        "privatekey": text(key),
        "certchain": issue("root", root, "root", root),
    }


async def test_a_load_balancer_shows_a_certificate(here: Place, site: dict[str, str]) -> None:
    ann = here.ann
    kept = (await ann("uploadSslCert", name="site", **site))["sslcert"]
    assert kept["certificate"] == site["certificate"]
    assert kept["certchain"] == site["certchain"]
    assert (len(kept["fingerprint"]), kept["loadbalancerrulelist"]) == (95, [])
    assert gone(await refusal(here.bob, "deleteSslCert", id=kept["id"]), "id", kept["id"])
    network = await network_of(ann)
    address = await address_for(ann, network["id"])
    asked = {"algorithm": "source", "publicipid": address["id"], "privateport": 80, "name": "lb"}
    plain, safe = [
        (await ann.job("createLoadBalancerRule", **asked, publicport=port, protocol=protocol))[
            "loadbalancer"
        ]
        for port, protocol in ((80, "tcp"), (443, "ssl"))
    ]
    pair = {"lbruleid": safe["id"], "certid": kept["id"]}
    error = await refusal(ann, "assignCertToLoadBalancer", **(pair | {"lbruleid": plain["id"]}))
    assert "only one for ssl" in error["errortext"]
    assert await ann.job("assignCertToLoadBalancer", **pair) == {"success": True}
    (seen,) = (await ann("listSslCerts", lbruleid=safe["id"]))["sslcert"]
    assert (seen["id"], seen["loadbalancerrulelist"]) == (kept["id"], [safe["id"]])
    error = await refusal(ann, "deleteSslCert", id=kept["id"])
    assert (error["errorcode"], "is in use by load balancer lb" in error["errortext"]) == (
        536,
        True,
    )
    other = (await ann("uploadSslCert", name="other", **site))["sslcert"]
    error = await refusal(ann, "assignCertToLoadBalancer", **(pair | {"certid": other["id"]}))
    assert "shows another certificate already" in error["errortext"]
    await ann.job("assignCertToLoadBalancer", **(pair | {"certid": other["id"]}), forced="true")
    assert await ann("deleteSslCert", id=kept["id"]) == {"success": True}
    await ann.job("removeCertFromLoadBalancer", lbruleid=safe["id"])
    assert await ann("deleteSslCert", id=other["id"]) == {"success": True}
    assert await ann("listSslCerts") == {}


async def test_the_key_is_in_the_sealed_store_alone(here: Place, site: dict[str, str]) -> None:
    kept = (await here.ann("uploadSslCert", name="site", **site))["sslcert"]
    secret = site["privatekey"].splitlines()[1]
    assert secret not in str(kept) and secret not in str(await here.ann("listSslCerts"))
    home = here.controller.settings.home
    for file in home.glob("**/*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file


async def test_what_is_no_certificate(here: Place, site: dict[str, str]) -> None:
    async def words(**other: str) -> str:
        asked = {"name": "site"} | site | other
        return str((await refusal(here.ann, "uploadSslCert", **asked))["errortext"])

    assert "is not the key of this certificate" in await words(privatekey=text(fresh()))
    assert "is no certificate in PEM form" in await words(certificate="not one")
    assert "is no private key" in await words(privatekey="not one")
    assert "is encrypted: give password" in await words(privatekey=text(fresh(), "locked"))
    assert "is not encrypted" in await words(password="needless")
    stranger = fresh()
    assert "is not signed by" in await words(certchain=issue("root", stranger, "root", stranger))
    key = fresh()
    old = {"certificate": issue("site", key, "site", key, days=-1), "privatekey": text(key)}
    assert "which is not now" in await words(**old, certchain="")
    assert await here.ann("listSslCerts") == {}


async def test_an_encrypted_key_is_opened_with_its_password(here: Place) -> None:
    key = fresh()
    asked = {"certificate": issue("site", key, "site", key), "password": "locked"}
    made = await here.ann("uploadSslCert", name="s", privatekey=text(key, "locked"), **asked)
    assert made["sslcert"]["name"] == "s"
