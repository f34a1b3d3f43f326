"""Whole lives of guests on a XenServer pool through the API, against a XAPI server of our own.

The pool is a process of its own with two hosts, as is the controller. What is compared are the
bytes in the peer's disks, and at the end that nothing is left but what repositories keep of
templates.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cs import CloudStackApiException

from tests.e2e.server import Api, Awaitable, Server, serving
from tests.guest.tiny import absent
from tests.infra.build import physical_network, pod, zone
from tests.real.test_quickstart import until

DRIVERS = ("xapi",)
pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]
MIB, GIB = 2**20, 2**30
AT = 4 * MIB


class Peer:
    """The pool's process, and what it tells beside XAPI."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self.told: dict[str, Any] = json.loads(process.stdout.readline())

    def ask(self, *words: str) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def left(self, *templates: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = self.ask("left")
        found["VDI"] = [one for one in found.get("VDI", ()) if one not in templates]
        return {cls: names for cls, names in found.items() if names}


@contextmanager
def pool(folder: Path) -> Iterator[Peer]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.peers.xapi", str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    try:
        yield Peer(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)


@dataclass
class Here:
    """A cloud whose zone has a cluster of the pool's two hosts."""

    peer: Peer
    server: Server
    api: Api
    where: dict[str, str]

    def write(self, path: str, byte: int) -> None:
        with Path(self.peer.ask("file", path)).open("r+b") as file:
            file.seek(AT)
            file.write(bytes([byte]))

    def read(self, path: str) -> int:
        with Path(self.peer.ask("file", path)).open("rb") as file:
            file.seek(AT)
            return file.read(1)[0]

    def volume(self, **which: Any) -> Any:
        return self.api.one("listVolumes", "volume", **which)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    if shutil.which("qemu-img") is None:
        absent("qemu-img is not installed (qemu-utils)")
    folder = tmp_path_factory.mktemp("xapi")
    with pool(folder / "pool") as peer, serving(folder / "home") as server:
        yield build(peer, server, folder)


def build(peer: Peer, server: Server, folder: Path) -> Here:
    api = server.api()
    calls: Any = Awaitable(api)
    api("updateConfiguration", name="allow.user.expunge.recover.vm", value="true")
    zone_id = asyncio.run(zone(calls))
    network_id = asyncio.run(physical_network(calls, zone_id))
    found = api("listTrafficTypes", physicalnetworkid=network_id)["traffictype"]
    guest = next(one for one in found if one["traffictype"] == "Guest")
    api("updateTrafficType", id=guest["id"], xennetworklabel="guests")
    where = {"zoneid": zone_id, "podid": asyncio.run(pod(calls, zone_id))}
    made = api(
        "addCluster", **where, clustername="xen", clustertype="CloudManaged",
        hypervisor="XenServer",
    )  # fmt: skip
    where["clusterid"] = made["cluster"][0]["id"]
    api("addHost", **where, hypervisor="XenServer", url=peer.told["url"], **who(peer))
    for name in ("one", "two"):
        url = f"presetup://localhost/{name}"
        api("createStoragePool", **where, name=name, url=url, scope="cluster")
    (folder / "store").mkdir()
    store = (folder / "store").as_uri()
    api("addImageStore", zoneid=zone_id, provider="NFS", name="store", url=store)
    api("updateZone", id=zone_id, allocationstate="Enabled")
    return Here(peer, server, api, where)


def who(peer: Peer) -> dict[str, str]:
    return {"username": peer.told["username"], "password": peer.told["password"]}


@pytest.fixture(scope="module")
def template(here: Here) -> str:
    """A qcow2, which is converted for this kind when it is registered."""
    raw = here.server.home / "system.raw"
    image = raw.with_suffix(".qcow2")
    raw.write_bytes((b"a system of ours" * (MIB // 16)) + bytes(15 * MIB))
    subprocess.run(
        ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(image)],
        check=True, timeout=60,
    )  # fmt: skip
    return registered(here, "system", image, "QCOW2")


def registered(here: Here, name: str, image: Path, form: str, *, fails: bool = False) -> str:
    api = here.api
    made = api(
        "registerTemplate", name=name, displaytext=name, format=form, hypervisor="XenServer",
        url=image.as_uri(), zoneid=here.where["zoneid"],
        ostypeid=api("listOsTypes", description="Other Linux (64-bit)")["ostype"][0]["id"],
    )["template"][0]  # fmt: skip

    def settled() -> bool:
        found = api.one("listTemplates", "template", id=made["id"], templatefilter="all")
        failed = "error" in found.get("status", "").lower()
        assert fails or not failed, found["status"]
        return failed if fails else bool(found["isready"])

    until(settled, f"the template {name} is settled")
    return str(made["id"])


def network(here: Here, name: str) -> str:
    """An L2 network, with a VLAN, whose guests are told their user data by a disc."""
    offering = here.api("listNetworkOfferings", name="DefaultL2NetworkOfferingConfigDrive")
    made = here.api(
        "createNetwork", zoneid=here.where["zoneid"], name=name, displaytext=name,
        networkofferingid=offering["networkoffering"][0]["id"],
    )["network"]  # fmt: skip
    return str(made["id"])


def deploy(here: Here, template: str, **more: Any) -> dict[str, Any]:
    size = here.api.one("listServiceOfferings", "serviceoffering", name="Small Instance")
    made: dict[str, Any] = here.api(
        "deployVirtualMachine", zoneid=here.where["zoneid"], templateid=template,
        serviceofferingid=size["id"], **more,
    )["virtualmachine"]  # fmt: skip
    return made


def test_a_pools_hosts_are_added_at_once(here: Here) -> None:
    hosts = here.api("listHosts", type="Routing")["host"]
    assert {one["name"] for one in hosts} == {"xen1", "xen2"}
    assert {(one["state"], one["hypervisor"]) for one in hosts} == {("Up", "XenServer")}
    pools = here.api("listStoragePools")["storagepool"]
    assert {(one["name"], one["type"], one["state"]) for one in pools} == {
        ("one", "PreSetup", "Up"),
        ("two", "PreSetup", "Up"),
    }


def test_a_whole_life_leaves_nothing(here: Here, template: str) -> None:
    api, peer = here.api, here.peer
    first = network(here, "first")
    vm = deploy(
        here, template, name="whole", networkids=first,
        userdata=base64.b64encode(b"#cloud-config\n").decode(),
    )  # fmt: skip
    vm_id = {"id": vm["id"]}
    assert (vm["state"], peer.ask("vms")) == ("Running", {vm["instancename"]: "Running"})
    root = here.volume(virtualmachineid=vm["id"], type="ROOT")
    here.write(root["path"], 1)
    snapshot = api("createSnapshot", volumeid=root["id"])["snapshot"]
    data = api(
        "createVolume", zoneid=here.where["zoneid"], name="data", size=1,
        diskofferingid=api("listDiskOfferings", name="Custom")["diskoffering"][0]["id"],
    )["volume"]  # fmt: skip
    api("attachVolume", id=data["id"], virtualmachineid=vm["id"])
    with pytest.raises(CloudStackApiException, match="only while no guest uses it"):
        api("resizeVolume", id=data["id"], size=2)

    was = api.one("listVirtualMachines", "virtualmachine", **vm_id)["hostid"]
    hosts = api("listHosts", type="Routing")["host"]
    other = next(one["id"] for one in hosts if one["id"] != was)
    api("migrateVirtualMachine", virtualmachineid=vm["id"], hostid=other)
    assert api.one("listVirtualMachines", "virtualmachine", **vm_id)["hostid"] == other
    assert peer.ask("vms") == {vm["instancename"]: "Running"}

    kept = api("createVMSnapshot", virtualmachineid=vm["id"], snapshotmemory=True)["vmsnapshot"]
    here.write(root["path"], 2)
    api("revertToVMSnapshot", vmsnapshotid=kept["id"])
    assert (here.read(root["path"]), peer.ask("vms")) == (1, {vm["instancename"]: "Running"})
    api("deleteVMSnapshot", vmsnapshotid=kept["id"])
    api("detachVolume", id=data["id"])
    api("rebootVirtualMachine", **vm_id)

    api("stopVirtualMachine", **vm_id)
    assert peer.ask("vms") == {}, "a guest that does not run is on no host"
    here.write(root["path"], 3)
    api("revertSnapshot", id=snapshot["id"])
    assert here.read(root["path"]) == 1
    api("resizeVolume", id=data["id"], size=2)
    api("startVirtualMachine", **vm_id)
    assert peer.ask("vms") == {vm["instancename"]: "Running"}
    api("deleteSnapshot", id=snapshot["id"])
    api("destroyVirtualMachine", **vm_id, expunge=True)
    api("deleteVolume", id=data["id"])
    api("deleteNetwork", id=first)
    assert peer.left(template) == {}


def test_a_disk_moves_under_its_guest(here: Here, template: str) -> None:
    api = here.api
    vm = deploy(here, template, name="mover", networkids=(only := network(here, "second")))
    root = here.volume(virtualmachineid=vm["id"], type="ROOT")
    here.write(root["path"], 7)
    pools = api("listStoragePools")["storagepool"]
    target = next(one for one in pools if one["id"] != root["storageid"])
    moved = api("migrateVolume", volumeid=root["id"], storageid=target["id"], livemigrate=True)
    assert moved["volume"]["storage"] == target["name"]
    assert here.read(here.volume(id=root["id"])["path"]) == 7
    assert here.peer.ask("vms") == {vm["instancename"]: "Running"}
    api("destroyVirtualMachine", id=vm["id"], expunge=True)
    api("deleteNetwork", id=only)
    assert here.peer.left(template) == {}


def test_what_xenserver_cannot_is_said_beforehand(here: Here, template: str) -> None:
    slow = here.api("createDiskOffering", name="slow", displaytext="s", customized=True, maxiops=7)
    with pytest.raises(CloudStackApiException, match="limits no disk"):
        deploy(
            here, template, name="no", networkids=(only := network(here, "third")), size=1,
            diskofferingid=slow["diskoffering"]["id"],
        )  # fmt: skip
    here.api("deleteNetwork", id=only)
    assert here.peer.left(template) == {}


@pytest.mark.parametrize(
    ("what", "change", "words"),
    [
        ("certificate", {"url": "plain"}, "pin=sha256"),
        ("password", {"password": "wrong"}, "SESSION_AUTHENTICATION_FAILED"),
        ("address", {"url": "http://127.0.0.1:{port}"}, "cannot be reached"),
    ],
)
def test_a_host_that_cannot_be_trusted_or_reached_is_not_added(
    here: Here, what: str, change: dict[str, str], words: str
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    asked = who(here.peer) | {"url": here.peer.told["url"]}
    asked |= {name: value.replace("{port}", port) for name, value in change.items()}
    if asked["url"] == "plain":
        asked["url"] = here.peer.told["plain"]
    with pytest.raises(CloudStackApiException, match=words):
        here.api("addHost", **here.where, hypervisor="XenServer", **asked)
    assert len(here.api("listHosts", type="Routing")["host"]) == 2, what


def test_a_template_of_the_wrong_format_is_refused(here: Here) -> None:
    image = here.server.home / "no-image.vhd"
    image.write_bytes(b"this is no image" * 4096)
    registered(here, "broken", image, "VHD", fails=True)
