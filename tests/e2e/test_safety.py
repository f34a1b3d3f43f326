"""Bad input and bad luck: each gets a clear error, nothing is lost, and no secret ever shows."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from cs import CloudStack, CloudStackApiException

from tests.e2e.place import Place, cloud, unique
from tests.e2e.server import Api, Awaitable
from tests.infra import build

PERSON = {"email": "c@example.org", "firstname": "C", "lastname": "C", "accounttype": 0}
IMAGE_S = 60.0


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A cloud of these tests' own: they look into its files."""
    with cloud(tmp_path_factory.mktemp("safety") / "home") as one:
        yield one


# ---- who asks ----------------------------------------------------------------------------


def test_a_wrong_signature_and_an_unknown_key(safe: Place) -> None:
    text = "unable to verify user credentials and/or request signature"
    for api in (
        Api(safe.api.endpoint, safe.api.key, "wrong"),
        Api(safe.api.endpoint, "nobody", safe.api.secret),
    ):
        api.refused("listZones", 401, text)


def test_an_expired_signature(safe: Place) -> None:
    # cs signs an expiry of its own; an hour of life that ended is one of minus an hour.
    old = Api(safe.api.endpoint, safe.api.key, safe.api.secret)
    old.refused(
        "listZones",
        401,
        "unable to verify",
        expires="2025-01-31T10:00:00+0000",
        signatureVersion="3",
    )
    soon = CloudStack(
        endpoint=safe.api.endpoint,
        key=safe.api.key,
        secret=safe.api.secret,
        expiration=timedelta(seconds=60),
    )
    assert soon.listZones()["count"] == 1


def test_an_unknown_command_and_none_at_all(safe: Place) -> None:
    safe.api.refused("launchRocket", 432, "launchRocket")
    answer = requests.get(safe.api.endpoint, params={"response": "json"}, timeout=60)
    assert answer.status_code == 401
    assert list(answer.json()) == ["errorresponse"]


def test_another_tenants_things_do_not_exist(safe: Place) -> None:
    ann, bob = safe.tenant(), safe.tenant()
    vm = safe.deploy(ann)
    gone = "due to incorrect long value format, or entity does not exist"
    for command in ("stopVirtualMachine", "destroyVirtualMachine", "listVirtualMachines"):
        bob.refused(command, 431, f"Invalid parameter id value={vm['id']} {gone}", id=vm["id"])
    job = ann.accepted("stopVirtualMachine", id=vm["id"])["jobid"]
    ann.ended(job)
    with pytest.raises(CloudStackApiException) as caught:
        bob.accepted("queryAsyncJobResult", jobid=job)
    assert caught.value.error["errorcode"] == 431
    seen = bob("listEvents", listall=True).get("event", [])
    assert vm["id"] not in {one.get("resourceid") for one in seen}
    assert bob("listVirtualMachines", listall=True) == {} == bob("listVolumes", listall=True)
    for command in ("createZone", "addHost", "listHosts"):
        bob.refused(command, 432, "does not exist or is not available", name="x")
    safe.expunge(vm, ann)


def test_an_id_of_another_kind(safe: Place) -> None:
    gone = "entity does not exist"
    safe.api.refused("listVirtualMachines", 431, gone, id=safe.built.zone)
    safe.api.refused(
        "deployVirtualMachine", 431, gone, **(safe.shape | {"templateid": safe.built.pod})
    )
    safe.api.refused("stopVirtualMachine", 431, gone, id="7")
    safe.api.refused("stopVirtualMachine", 431, "missing parameter id")


# ---- templates ---------------------------------------------------------------------------


def qcow2(*, backing: int = 0, incompatible: int = 0) -> bytes:
    """The header of a QCOW2 file, version 3, padded to a cluster."""
    head = b"QFI\xfb" + struct.pack(">IQI", 3, backing, 16) + b"\0" * 52
    return (head + struct.pack(">Q", incompatible)).ljust(65536, b"\0")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (qcow2(backing=1024), "backing file"),
        (qcow2(incompatible=4), "another file"),
        (b"<html>not found</html>".ljust(512), "no QCOW2"),
        (b"", "empty"),
    ],
)
def test_what_is_no_image_is_no_template(
    safe: Place, tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "image.qcow2"
    path.write_bytes(content)
    ask = {"hypervisor": "KVM", "format": "QCOW2", "name": unique("bad"), "url": path.as_uri()}
    listed = safe.api("registerTemplate", **ask, zoneid=safe.built.zone)
    template = {"templatefilter": "all", "id": listed["template"][0]["id"]}
    end = time.monotonic() + IMAGE_S
    while not (row := safe.api.one("listTemplates", "template", **template))["status"].startswith(
        "Download Error"
    ):
        assert time.monotonic() < end, row
        time.sleep(0.02)
    assert row["isready"] is False and words in row["status"]
    shape = safe.shape | {"templateid": row["id"]}
    safe.api.refused("deployVirtualMachine", 431, row["name"], **shape)
    kept = safe.server.home / "images"
    assert [one for one in kept.rglob("*") if one.is_file()] == []


# ---- hosts, pools, capacity --------------------------------------------------------------


def counts(api: Api) -> dict[str, Any]:
    commands = (
        "listHosts",
        "listStoragePools",
        "listClusters",
        "listVirtualMachines",
        "listVolumes",
    )
    return {command: api(command, listall=True).get("count", 0) for command in commands}


@pytest.mark.parametrize(
    ("query", "words"), [("unreachable=1", "does not answer"), ("refuse=1", "refuses everybody")]
)
def test_a_host_that_cannot_be_had_leaves_nothing(safe: Place, query: str, words: str) -> None:
    before = counts(safe.api)
    url = f"sim://{unique('far')}?{query}"
    where = {
        "zoneid": safe.built.zone,
        "podid": safe.built.pod,
        "clusterid": safe.built.clusters[0],
    }
    ask = {"hypervisor": "Simulator", "username": "root", "password": "x", "url": url}
    with pytest.raises(CloudStackApiException) as caught:
        safe.api("addHost", **where, **ask)
    assert words in caught.value.error["errortext"]
    assert counts(safe.api) == before


async def small_cluster(api: Api, built: build.Built, gib: int) -> tuple[str, str]:
    """A host of its own with a pool of so many GiB: the ids of host and pool's name."""
    ask, name = Awaitable(api), unique("small")
    cluster = await build.cluster(ask, built.zone, built.pod, name)  # type: ignore[arg-type]
    url = f"sim://{name}"
    host = await build.host(ask, built.zone, built.pod, cluster, url)  # type: ignore[arg-type]
    where = {"zoneid": built.zone, "podid": built.pod, "clusterid": cluster, "scope": "CLUSTER"}
    await ask("createStoragePool", **where, name=name, url=f"sim://{name}-disks?capacity_gib={gib}")
    return host, name


async def test_a_disk_that_is_full(safe: Place) -> None:
    host, pool = await small_cluster(safe.api, safe.built, gib=3)
    before = counts(safe.api)
    ask = safe.shape | {"hostid": host}
    # The pool is promised twice over, so this one is accepted and then the disk is full.
    text = safe.api.refused("deployVirtualMachine", 530, pool, **ask, rootdisksize=5)
    assert "5368709120 bytes will never fit" in text
    # And this one is more than was ever promised.
    safe.api.refused("deployVirtualMachine", 533, pool, **ask, rootdisksize=50)
    assert counts(safe.api) == before
    place = safe.deploy(hostid=host, rootdisksize=2)
    safe.expunge(place)


def test_no_capacity_names_hosts_and_reasons(safe: Place) -> None:
    api, before = safe.api, counts(safe.api)
    size = api(
        "createServiceOffering",
        name=unique("huge"),
        displaytext="huge",
        cpunumber=64,
        cpuspeed=500,
        memory=1024,
    )["serviceoffering"]
    ask = safe.shape | {"serviceofferingid": size["id"], "name": unique("vm")}
    text = api.refused("deployVirtualMachine", 533, "no host has room", **ask)
    for host in ("sim-0-0", "sim-0-1", "sim-1-0", "sim-1-1"):
        assert f"{host}: has 32 cores, the guest wants 64" in text
    assert counts(api) == before


# ---- secrets -----------------------------------------------------------------------------


def test_no_secret_ever_shows(safe: Place) -> None:
    """Each is given where a user would give it, and then looked for in all there is to see."""
    api, secrets = safe.api, Canary()
    name = unique("canary")
    account = api("createAccount", username=name, password=secrets("password"), **PERSON)
    user = account["account"]["user"][0]["id"]
    api("updateUser", id=user, password=secrets("password, changed"))
    keys = api("registerUserKeys", id=user)["userkeys"]
    secrets.known["secret key"] = keys["secretkey"]
    secrets.known["admin's secret key"] = api.secret
    secrets.known["admin's password"] = safe.server.credentials()["password"]
    login(api, name, secrets("wrong password"))
    login(api, name, secrets.known["password, changed"])
    where = {
        "zoneid": safe.built.zone,
        "podid": safe.built.pod,
        "clusterid": safe.built.clusters[0],
    }
    host = {"hypervisor": "Simulator", "username": "root"} | where
    api("addHost", **host, url=f"sim://{name}", password=secrets("host"))
    for query in ("unreachable=1", "refuse=1"):
        with pytest.raises(CloudStackApiException):
            api("addHost", **host, url=f"sim://{name}-2?{query}", password=secrets(query))
    for command, asked in (
        ("addHost", host | {"url": f"sim://root:{secrets('host URL')}@{name}-3", "password": "x"}),
        ("createStoragePool", where | {"name": name, "url": f"sim://u:{secrets('pool')}@{name}"}),
        ("addImageStore", {"provider": "NFS", "url": f"nfs://u:{secrets('store')}@{name}/x"}),
        (
            "registerTemplate",
            {"hypervisor": "KVM", "format": "QCOW2", "name": name, "zoneid": safe.built.zone}
            | {"url": f"http://u:{secrets('template')}@127.0.0.1:1/x"},
        ),
        (
            "addImageStore",
            {"provider": "S3", "details": [{"key": "secretkey", "value": secrets("S3 key")}]},
        ),
    ):
        try:
            api(command, **asked)
        except CloudStackApiException as refused:
            secrets.absent_in(str(refused.error), f"the refusal of {command}")
    pair = api("createSSHKeyPair", name=name)["keypair"]
    secrets.known["private key"] = pair["privatekey"].splitlines()[-3]

    for command in ("listEvents", "listAsyncJobs", "listHosts", "listUsers", "listAccounts"):
        secrets.absent_in(json.dumps(api(command, listall=True)), command)
    for command in ("listStoragePools", "listImageStores", "listSSHKeyPairs", "listConfigurations"):
        secrets.absent_in(json.dumps(api(command)), command)
    secrets.absent_in(safe.server.tool("export").stdout, "export")
    secrets.absent_in(safe.server.stderr(), "the server's own log")
    for path in safe.server.home.rglob("*"):
        if path.is_file():
            secrets.absent_in(path.read_bytes().decode("latin-1"), path.name)


def login(api: Api, name: str, password: str) -> None:
    form = {"command": "login", "response": "json", "username": name, "password": password}
    requests.post(api.endpoint, data=form, timeout=60)


class Canary:
    """Secrets that exist nowhere else, each under the name of where it was given."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        self.known[name] = f"canary-{uuid4().hex}"
        return self.known[name]

    def absent_in(self, text: str, where: str) -> None:
        for name, secret in self.known.items():
            assert secret not in text, f"{where} shows the secret of: {name}"
