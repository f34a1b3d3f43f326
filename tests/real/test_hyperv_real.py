"""A Hyper-V cluster in a cloud, through the API: the hosts of the protocol server, with real bytes.

The tests follow one cloud through its life, in their order; after the last nothing is left.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cs import CloudStackApiException

from tests.e2e.server import Api, Awaitable, serving
from tests.guest.tiny import absent
from tests.infra import build
from tests.peers.hyperv import HypervPeer, Vm
from tests.peers.hyperv.peer import PASSWORD, USER, missing
from tests.peers.hyperv.world import MIB, tool

DRIVERS = ("hyperv",)
pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

BYTE, OTHER = 0x11, 0x22
IMAGE_BYTES = 32 * MIB


@dataclass
class Cloud:
    peer: HypervPeer
    api: Api
    zone: str
    shape: dict[str, Any] = field(default_factory=dict)
    vm: dict[str, Any] = field(default_factory=dict)
    pool: str = ""

    def machine(self, vm_id: str) -> Vm | None:
        return next((vm for vm in self.peer.world.vms() if vm_id in vm.notes), None)

    def root(self) -> dict[str, Any]:
        found: dict[str, Any] = self.api.one(
            "listVolumes", "volume", virtualmachineid=self.vm["id"], type="ROOT"
        )
        return found

    def disk(self) -> str:
        return f"\\\\store\\pool\\disks\\{self.root()['id']}.vhdx"

    def files(self, folder: str) -> set[str]:
        found = (self.peer.world.folder / "shares" / "pool" / folder).glob("*")
        return {one.name for one in found}


def until(true: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    if lacking := missing():
        absent(lacking)
    folder = tmp_path_factory.mktemp("hyperv-real")
    net = f"127.10.{os.getpid() % 250 + 1}"
    peer = HypervPeer(folder, (f"{net}.1", f"{net}.2"))
    peer.world.share("pool")
    peer.world.cluster = "cloud"
    peer.start()
    try:
        with serving(folder / "home") as server:
            api = server.api()
            zone = asyncio.run(_zone(Awaitable(api)))
            yield Cloud(peer, api, zone)
    finally:
        peer.stop()


async def _zone(api: Any) -> str:
    """A zone with networks, and nothing that runs guests yet."""
    await api("updateConfiguration", name="expunge.delay", value="60")
    zone: str = await build.zone(api)
    await build.physical_network(api, zone)
    await build.pod(api, zone)
    return zone


def host_of(cloud: Cloud, **changed: str) -> dict[str, Any]:
    pod = cloud.api.one("listPods", "pod", zoneid=cloud.zone)
    first = next(iter(cloud.peer.world.hosts))
    asked = {"zoneid": cloud.zone, "podid": pod["id"], "clustername": "hv", "hypervisor": "Hyperv"}
    asked |= {"url": cloud.peer.url(first), "username": USER, "password": PASSWORD}
    return asked | changed


def test_a_host_with_another_certificate_is_refused(cloud: Cloud) -> None:
    plain = host_of(cloud)["url"].partition("?")[0]
    with pytest.raises(CloudStackApiException, match=f"pin=sha256:{cloud.peer.fingerprint}"):
        cloud.api("addHost", **host_of(cloud, url=plain))
    with pytest.raises(CloudStackApiException, match="check the name and the password"):
        cloud.api("addHost", **host_of(cloud, password="guess"))


def test_one_node_brings_its_cluster(cloud: Cloud) -> None:
    """Both nodes are hosts; a pool is opened, and a template converted and carried there."""
    api = cloud.api
    api("addHost", **host_of(cloud))
    hosts = api("listHosts", type="Routing", zoneid=cloud.zone)["host"]
    assert sorted(one["name"] for one in hosts) == sorted(cloud.peer.world.hosts)
    assert {one["state"] for one in hosts} == {"Up"}
    cluster = api.one("listClusters", "cluster", zoneid=cloud.zone)
    pool = api(
        "createStoragePool", name="vhds", url="smb://store/pool", zoneid=cloud.zone,
        podid=cluster["podid"], clusterid=cluster["id"], scope="CLUSTER",
    )["storagepool"]  # fmt: skip
    assert (pool["state"], pool["type"]) == ("Up", "SMB")
    cloud.pool = pool["id"]
    api("updateZone", id=cloud.zone, allocationstate="Enabled")


def test_a_guest_is_deployed_from_a_converted_template(cloud: Cloud, tmp_path: Path) -> None:
    api, path = cloud.api, tmp_path / "tiny.qcow2"
    tool("qemu-img", "create", "-q", "-f", "qcow2", str(path), str(IMAGE_BYTES))
    tool("qemu-io", "-f", "qcow2", "-c", f"write -P {BYTE} 1M 64k", str(path))
    os_type = api("listOsTypes", description="Other Linux (64-bit)")["ostype"][0]["id"]
    made = api(
        "registerTemplate", name="tiny", displaytext="tiny", format="QCOW2", hypervisor="Hyperv",
        url=path.as_uri(), zoneid=cloud.zone, ostypeid=os_type,
    )["template"][0]  # fmt: skip

    def ready() -> bool:
        found = api.one("listTemplates", "template", id=made["id"], templatefilter="all")
        return bool(found["isready"])

    until(ready, "the template is ready")
    size = api.one("listServiceOfferings", "serviceoffering", name="Small Instance")
    offered = api("listNetworkOfferings", name="DefaultL2NetworkOfferingConfigDrive")
    network = api(
        "createNetwork", zoneid=cloud.zone, name="plain", displaytext="plain",
        networkofferingid=offered["networkoffering"][0]["id"],
    )["network"]  # fmt: skip
    cloud.shape = {
        "zoneid": cloud.zone,
        "serviceofferingid": size["id"],
        "templateid": made["id"],
        "networkids": network["id"],
    }
    cloud.vm = api("deployVirtualMachine", **cloud.shape, name="first")["virtualmachine"]
    vm = cloud.machine(cloud.vm["id"])
    assert (cloud.vm["state"], cloud.vm["hypervisor"]) == ("Running", "Hyperv")
    assert vm is not None and (vm.state, vm.role, len(vm.cards)) == ("Running", vm.role, 1)
    assert cloud.peer.read(cloud.disk()) == BYTE


def test_a_snapshot_of_a_running_guest_and_the_way_back(cloud: Cloud) -> None:
    api, root = cloud.api, cloud.root()
    cloud.peer.write_in_guest(cloud.disk(), OTHER)
    kept = api("createSnapshot", volumeid=root["id"])["snapshot"]
    assert kept["state"] == "BackedUp"
    cloud.peer.write_in_guest(cloud.disk(), BYTE + 1)
    api("stopVirtualMachine", id=cloud.vm["id"])
    assert cloud.peer.read(cloud.disk()) == BYTE + 1
    api("revertSnapshot", id=kept["id"])
    assert cloud.peer.read(cloud.disk()) == OTHER
    api("startVirtualMachine", id=cloud.vm["id"])
    vm = cloud.machine(cloud.vm["id"])
    assert vm is not None and not vm.checkpoints
    api("deleteSnapshot", id=kept["id"])
    assert not cloud.files("snapshots")


def test_disks_come_and_go_and_guests_move(cloud: Cloud) -> None:
    api, vm_id = cloud.api, cloud.vm["id"]
    custom = api("listDiskOfferings", name="Custom")["diskoffering"][0]["id"]
    asked = {"zoneid": cloud.zone, "name": "data", "diskofferingid": custom, "size": 1}
    volume = api("createVolume", **asked)["volume"]["id"]
    api("attachVolume", id=volume, virtualmachineid=vm_id)
    vm = cloud.machine(vm_id)
    assert vm is not None and any(volume in drive.path for drive in vm.drives)
    api("detachVolume", id=volume)
    assert not any(volume in drive.path for drive in vm.drives)
    api("deleteVolume", id=volume)
    now = api.one("listVirtualMachines", "virtualmachine", id=vm_id)["hostid"]
    hosts = api("listHosts", type="Routing", zoneid=cloud.zone)["host"]
    other = next(one for one in hosts if one["id"] != now)
    moved = api("migrateVirtualMachine", virtualmachineid=vm_id, hostid=other["id"])
    assert moved["virtualmachine"]["hostid"] == other["id"]
    assert vm.host.name == other["name"]
    assert cloud.peer.read(cloud.disk()) == OTHER


def test_the_whole_guest_goes_back_with_and_without_its_memory(cloud: Cloud) -> None:
    """Two snapshots of one that runs; no chain and no checkpoint is left of either."""
    api, vm_id = cloud.api, cloud.vm["id"]
    vm = cloud.machine(vm_id)
    assert vm is not None
    vm.mind = "first"
    asked = {"virtualmachineid": vm_id}
    alive = api("createVMSnapshot", **asked, snapshotmemory=True)["vmsnapshot"]
    disks = api("createVMSnapshot", **asked)["vmsnapshot"]
    assert (alive["type"], disks["type"]) == ("DiskAndMemory", "Disk")
    assert not vm.checkpoints and cloud.disk() in {drive.path for drive in vm.drives}
    vm.mind = "second"
    cloud.peer.write_in_guest(cloud.disk(), BYTE + 2)
    api("revertToVMSnapshot", vmsnapshotid=alive["id"])
    vm = cloud.machine(vm_id)
    assert vm is not None and (vm.state, vm.mind) == ("Running", "first")
    cloud.peer.write_in_guest(cloud.disk(), BYTE + 2)
    with pytest.raises(CloudStackApiException, match="stop it first"):
        api("revertToVMSnapshot", vmsnapshotid=disks["id"])
    api("stopVirtualMachine", id=vm_id)
    api("revertToVMSnapshot", vmsnapshotid=disks["id"])
    assert cloud.peer.read(cloud.disk()) == OTHER
    api("deleteVMSnapshot", vmsnapshotid=disks["id"])
    api("startVirtualMachine", id=vm_id)


def test_nothing_is_left(cloud: Cloud) -> None:
    cloud.api("destroyVirtualMachine", id=cloud.vm["id"], expunge=True)
    assert not list(cloud.peer.world.vms())
    for folder in ("disks", "snapshots", "kept", "machines", "notes", "incoming"):
        assert not cloud.files(folder), folder
