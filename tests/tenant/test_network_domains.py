"""The DNS domain of networks is one that names can end with, wherever it is said."""

from __future__ import annotations

from typing import Any

from engine.genesis import stable_id
from tests.tenant.test_networks import WHERE, make
from tests.tenant.test_refusals import refusal
from tests.tenant.world import ZONE, Place, named

LABEL = "a" * 63
BAD = ("-bad..x", "-bad-", "a..b", ".a", "a.", "under_score.x", "b\u00fccher.x", "a b", LABEL + "a")
LONG = ".".join([LABEL, LABEL, LABEL[:62]])
GOOD = ("corp.example.com", "1.A-b", LABEL, LONG)


def asks(here: Place, network_id: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Every command that takes such a domain, with its parameter and what else it needs."""
    account = {"username": "u", "password": "p", "email": "e", "firstname": "f", "lastname": "l"}
    zone = {"name": "z2", "networktype": "Advanced", "dns1": "192.0.2.1"}
    vpc = {"vpcofferingid": str(stable_id("vpc_offering", "Default VPC offering"))}
    vpc |= {"name": "v", "zoneid": str(ZONE), "cidr": "10.4.0.0/16"}
    name = "networkdomain"
    return [
        ("createNetwork", name, WHERE | {"name": "n"}),
        ("updateNetwork", name, {"id": network_id}),
        ("createVPC", name, vpc),
        ("createDomain", name, {"name": "d"}),
        ("updateDomain", name, {"id": str(named("domain ann"))}),
        ("createAccount", name, account),
        ("updateAccount", name, {"id": here.account("ann")}),
        ("createZone", "domain", zone | {"internaldns1": "192.0.2.1"}),
        ("updateZone", "domain", {"id": str(ZONE)}),
    ]


async def test_what_is_no_domain_is_refused_everywhere(here: Place) -> None:
    network = await make(here.ann, name="inner")
    for command, name, needed in asks(here, network["id"]):
        for bad in BAD:
            error = await refusal(here.admin, command, **needed, **{name: bad})
            told = error["errortext"]
            assert (error["errorcode"], "must be a DNS domain" in told) == (431, True), (bad, told)
            assert name in told, command
    error = await refusal(here.ann, "createNetwork", **WHERE, name="n", networkdomain=LONG + "a")
    assert "at most 190 characters" in error["errortext"]


async def test_a_domain_is_changed_and_unset(here: Place) -> None:
    ann = str(named("domain ann"))
    for good in GOOD:
        assert (await make(here.ann, name="n", networkdomain=good))["networkdomain"] == good
        changed = (await here.admin("updateDomain", id=ann, networkdomain=good))["domain"]
        assert changed["networkdomain"] == good
    unset = (await here.admin("updateDomain", id=ann, networkdomain=""))["domain"]
    assert "networkdomain" not in unset
    usual = (await make(here.ann, name="n", networkdomain=""))["networkdomain"]
    assert usual.endswith(".cloud.internal")
    assert "domain" not in (await here.admin("updateZone", id=str(ZONE), domain=""))["zone"]


async def test_the_usual_ending_is_a_domain_with_room_for_names(here: Place) -> None:
    name = "guest.domain.suffix"
    for bad in (*BAD, LONG, ""):
        error = await refusal(here.admin, "updateConfiguration", name=name, value=bad)
        assert error["errorcode"] == 431 and "is a DNS domain" in error["errortext"], bad
    await here.admin("updateConfiguration", name=name, value="corp.example.com")
    assert (await make(here.ann, name="n"))["networkdomain"].endswith(".corp.example.com")


async def test_resolvers_are_addresses_wherever_they_are_said(here: Place) -> None:
    network = await make(here.ann, name="inner")
    needed = {command: more for command, _, more in asks(here, network["id"])}
    for command in ("createNetwork", "updateNetwork", "createVPC"):
        for name in ("dns1", "dns2"):
            for bad in ("ns.example.com", "192.0.2", "192.0.2.1/24", "2001:db8::1"):
                error = await refusal(here.admin, command, **needed[command], **{name: bad})
                assert error["errorcode"] == 431, (command, name, bad)
                assert f"{name}: it must be an IPv4 address" in error["errortext"]
    vpc = needed["createVPC"] | {"ip6dns1": "192.0.2.1"}
    error = await refusal(here.admin, "createVPC", **vpc)
    assert "ip6dns1: it must be an IPv6 address" in error["errortext"]
    made = await make(here.ann, name="n", dns1="192.0.2.7", dns2="")
    assert made["dns1"] == "192.0.2.7"


async def test_a_zones_guests_need_a_subnet_with_room(here: Place) -> None:
    zone = {"name": "z3", "networktype": "Advanced", "dns1": "192.0.2.1"}
    zone |= {"internaldns1": "192.0.2.1"}
    for bad in ("10.9.9.8/31", "10.9.9.8/32"):
        error = await refusal(here.admin, "createZone", **zone, guestcidraddress=bad)
        assert (error["errorcode"], "guestcidraddress" in error["errortext"]) == (431, True)
