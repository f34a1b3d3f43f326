"""Whole lives of guests behind a vCenter through the API, against govmomi's simulator.

The vCenter is a process of its own with two hosts and two datastores, as is the controller. What is
compared are the bytes in the datastores' files, and at the end that nothing is left but what pools
keep of templates.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from cs import CloudStackApiException

from tests.drivers.harness_vsphere import read_at, write_at
from tests.drivers.vcenter_hand import Hand
from tests.e2e.server import Api, Awaitable, Server, serving
from tests.guest.tiny import absent
from tests.images.files import disc
from tests.infra.build import physical_network, pod, zone
from tests.peers import vcenter as peer
from tests.real.test_quickstart import until

DRIVERS = ("vsphere",)
pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
MIB, GIB = 2**20, 2**30
OVF = """<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
  <References><File ovf:href="disk1.vmdk" ovf:id="file1"/></References>
  <DiskSection><Info/><Disk ovf:capacity="{capacity}" ovf:diskId="disk1" ovf:fileRef="file1"/>
  </DiskSection>
  <VirtualSystem ovf:id="appliance"><Info/></VirtualSystem>
</Envelope>
"""


@dataclass
class Here:
    """A cloud whose zone has a cluster of the vCenter's two hosts."""

    vcenter: peer.VcenterPeer
    server: Server
    api: Api
    where: dict[str, str]
    hand: Hand = field(init=False)

    def __post_init__(self) -> None:
        self.hand = Hand(self.vcenter)

    def _file(self, volume: dict[str, Any]) -> Path:
        return self.vcenter.flat(self.hand.file_of(volume["path"]))

    def write(self, volume: dict[str, Any], byte: int) -> None:
        write_at(self._file(volume), byte)

    def read(self, volume: dict[str, Any]) -> int:
        return read_at(self._file(volume))

    def volume(self, **which: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.api.one("listVolumes", "volume", **which)
        return found

    def running(self) -> list[str]:
        """Machines that run, by their names without our ids."""
        on = [one for one in self.hand.all() if str(one.runtime.powerState) == "poweredOn"]
        return sorted(one.name.rsplit("-", 1)[0] for one in on)

    def left(self) -> list[str]:
        """Machines, and files that are no template's image."""
        top = [self.vcenter.file(f"[{name}] sagastack") for name in peer.STORES]
        files = [one for folder in top for one in folder.rglob("*") if one.is_file()]
        kept = [one.name for one in files if one.parent.name != "images"]
        return [*self.hand.machines(), *kept]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    if lacking := peer.missing():
        absent(f"there can be no vCenter: {lacking}")
    folder = tmp_path_factory.mktemp("vsphere")
    with peer.running() as vcenter, serving(folder / "home", SAGASTACK_RECONCILE_S="1") as server:
        yield build(vcenter, server, folder)


def build(vcenter: peer.VcenterPeer, server: Server, folder: Path) -> Here:
    api = server.api()
    calls: Any = Awaitable(api)
    api("updateConfiguration", name="allow.user.expunge.recover.vm", value="true")
    zone_id = asyncio.run(zone(calls))
    network_id = asyncio.run(physical_network(calls, zone_id))
    found = api("listTrafficTypes", physicalnetworkid=network_id)["traffictype"]
    guest = next(one for one in found if one["traffictype"] == "Guest")
    api("updateTrafficType", id=guest["id"], vmwarenetworklabel="DVS0,,vmwaredvs")
    where = {"zoneid": zone_id, "podid": asyncio.run(pod(calls, zone_id))}
    made = api(
        "addCluster", **where, clustername="esx", clustertype="CloudManaged", hypervisor="VMware"
    )
    where["clusterid"] = made["cluster"][0]["id"]
    api("addHost", **where, hypervisor="VMware", url=vcenter.url(), **who())
    for name in peer.STORES:
        url = f"vmfs://{peer.DATACENTER}/{name}"
        api("createStoragePool", **where, name=name, url=url, scope="cluster")
    (folder / "store").mkdir()
    store = (folder / "store").as_uri()
    api("addImageStore", zoneid=zone_id, provider="NFS", name="store", url=store)
    api("updateZone", id=zone_id, allocationstate="Enabled")
    return Here(vcenter, server, api, where)


def who() -> dict[str, str]:
    return {"username": peer.USER, "password": peer.PASSWORD}


def vmdk(folder: Path, name: str) -> Path:
    """A disk as one downloads it: 16 MiB, of which the first holds words."""
    raw, image = folder / f"{name}.raw", folder / f"{name}.vmdk"
    raw.write_bytes((b"a system of ours" * (MIB // 16)) + bytes(15 * MIB))
    words = ("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized")
    subprocess.run([*words, str(raw), str(image)], check=True, timeout=60)
    return image


def ova(folder: Path, name: str, *, damaged: bool = False) -> Path:
    """An appliance with a manifest: the descriptor first, as the format wants it."""
    disk = vmdk(folder, name).read_bytes()
    text = OVF.format(capacity=16 * MIB).encode()
    sums = {"a.ovf": hashlib.sha256(text), "disk1.vmdk": hashlib.sha256(disk)}
    manifest = "".join(f"SHA256({file})= {one.hexdigest()}\n" for file, one in sums.items())
    disk = disk[:-1] + bytes([disk[-1] ^ 1]) if damaged else disk
    path = folder / f"{name}.ova"
    with tarfile.open(path, "w") as archive:
        for file, data in (("a.ovf", text), ("a.mf", manifest.encode()), ("disk1.vmdk", disk)):
            member = tarfile.TarInfo(file)
            member.size = len(data)
            archive.addfile(member, BytesIO(data))
    return path


def registered(here: Here, name: str, image: Path, form: str, *, fails: bool = False) -> str:
    api = here.api
    made = api(
        "registerTemplate", name=name, displaytext=name, format=form, hypervisor="VMware",
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


@pytest.fixture(scope="module")
def template(here: Here) -> str:
    return registered(here, "system", vmdk(here.server.home, "system"), "VMDK")


def network(here: Here, name: str) -> str:
    """An L2 network whose guests are told their user data by a disc."""
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


def test_a_clusters_hosts_are_added_at_once(here: Here) -> None:
    hosts = here.api("listHosts", type="Routing")["host"]
    assert {one["name"] for one in hosts} == set(peer.HOSTS)
    assert {(one["state"], one["hypervisor"]) for one in hosts} == {("Up", "VMware")}
    pools = here.api("listStoragePools")["storagepool"]
    assert {(one["name"], one["type"], one["state"]) for one in pools} == {
        (name, "VMFS", "Up") for name in peer.STORES
    }


def test_a_whole_life_leaves_nothing(here: Here, template: str) -> None:
    api = here.api
    first = network(here, "first")
    vm = deploy(
        here, template, name="whole", networkids=first,
        userdata=base64.b64encode(b"#cloud-config\n").decode(),
    )  # fmt: skip
    vm_id = {"id": vm["id"]}
    assert (vm["state"], here.running()) == ("Running", ["whole"])
    machine = here.hand.all()[0]
    assert machine.parent.parent.name == "sagastack", "a folder for each tenant"
    assert {one.name for one in machine.network} == {"DVS0.untagged"}
    root = here.volume(virtualmachineid=vm["id"], type="ROOT")
    here.write(root, 1)
    snapshot = api("createSnapshot", volumeid=root["id"])["snapshot"]
    data = api(
        "createVolume", zoneid=here.where["zoneid"], name="data", size=1,
        diskofferingid=api("listDiskOfferings", name="Custom")["diskoffering"][0]["id"],
    )["volume"]  # fmt: skip
    api("attachVolume", id=data["id"], virtualmachineid=vm["id"])

    was = api.one("listVirtualMachines", "virtualmachine", **vm_id)["hostid"]
    hosts = api("listHosts", type="Routing")["host"]
    other = next(one["id"] for one in hosts if one["id"] != was)
    api("migrateVirtualMachine", virtualmachineid=vm["id"], hostid=other)
    assert api.one("listVirtualMachines", "virtualmachine", **vm_id)["hostid"] == other
    assert here.running() == ["whole"]

    kept = api("createVMSnapshot", virtualmachineid=vm["id"], snapshotmemory=True)["vmsnapshot"]
    here.write(root, 2)
    api("revertToVMSnapshot", vmsnapshotid=kept["id"])
    assert (here.read(root), here.running()) == (1, ["whole"])
    api("deleteVMSnapshot", vmsnapshotid=kept["id"])
    api("detachVolume", id=data["id"])
    api("rebootVirtualMachine", **vm_id)

    api("stopVirtualMachine", **vm_id)
    assert here.hand.machines() == [], "a guest that does not run is no machine"
    here.write(root, 3)
    api("revertSnapshot", id=snapshot["id"])
    assert here.read(root) == 1
    api("resizeVolume", id=data["id"], size=2)
    api("startVirtualMachine", **vm_id)
    assert here.running() == ["whole"]
    api("deleteSnapshot", id=snapshot["id"])
    api("destroyVirtualMachine", **vm_id, expunge=True)
    api("deleteVolume", id=data["id"])
    api("deleteNetwork", id=first)
    assert here.left() == []


def test_a_disk_moves_under_its_guest(here: Here, template: str) -> None:
    api = here.api
    vm = deploy(here, template, name="mover", networkids=(only := network(here, "second")))
    root = here.volume(virtualmachineid=vm["id"], type="ROOT")
    here.write(root, 7)
    pools = api("listStoragePools")["storagepool"]
    target = next(one for one in pools if one["id"] != root["storageid"])
    moved = api("migrateVolume", volumeid=root["id"], storageid=target["id"], livemigrate=True)
    assert moved["volume"]["storage"] == target["name"]
    assert here.read(here.volume(id=root["id"])) == 7
    assert here.running() == ["mover"]
    api("stopVirtualMachine", id=vm["id"])
    assert here.read(here.volume(id=root["id"])) == 7, "it has come to its own path"
    api("startVirtualMachine", id=vm["id"])
    api("destroyVirtualMachine", id=vm["id"], expunge=True)
    api("deleteNetwork", id=only)
    assert here.left() == []


def test_an_appliance_becomes_a_guest(here: Here) -> None:
    """An OVA is taken with what its manifest says of it."""
    image = registered(here, "appliance", ova(here.server.home, "appliance"), "OVA")
    vm = deploy(here, image, name="app", networkids=(only := network(here, "third")))
    root = here.volume(virtualmachineid=vm["id"], type="ROOT")
    with here.vcenter.flat(root["path"]).open("rb") as file:
        assert file.read(16) == b"a system of ours"
    here.api("destroyVirtualMachine", id=vm["id"], expunge=True)
    bad = registered(here, "bad", ova(here.server.home, "bad", damaged=True), "OVA")
    with pytest.raises(CloudStackApiException, match="damaged"):
        deploy(here, bad, name="bad", networkids=only)
    here.api("deleteNetwork", id=only)
    assert here.left() == []


def test_a_disc_is_changed_in_a_running_guest(here: Here, template: str) -> None:
    """It is read where the pool keeps it, and let go of; it stays while a guest reads it."""
    api = here.api
    vm = deploy(here, template, name="reader", networkids=(only := network(here, "fifth")))
    image = here.server.home / "disc.iso"
    image.write_bytes(disc())
    made = api(
        "registerIso", name="disc", url=image.as_uri(), zoneid=here.where["zoneid"],
        bootable="false",
    )["iso"][0]  # fmt: skip
    until(lambda: api.one("listIsos", "iso", id=made["id"], isofilter="all")["isready"], "ready")
    api("attachIso", id=made["id"], virtualmachineid=vm["id"])
    held = here.hand.backings()
    path = next(one for one in held if one.endswith(f"/images/{made['id']}.iso"))
    assert here.vcenter.file(path).read_bytes() == disc()
    api("detachIso", virtualmachineid=vm["id"])
    held = here.hand.backings()
    assert path not in held
    api("deleteIso", id=made["id"])
    api("destroyVirtualMachine", id=vm["id"], expunge=True)
    api("deleteNetwork", id=only)
    assert here.left() == []


def test_a_machine_that_nobody_made_is_shot_and_seen(here: Here, template: str) -> None:
    """Somebody ends a guest behind the controller's back: it is seen, and starts again."""
    vm = deploy(here, template, name="shot", networkids=(only := network(here, "fourth")))
    here.hand.done(here.hand.all()[0].PowerOffVM_Task())

    def stopped() -> bool:
        found = here.api.one("listVirtualMachines", "virtualmachine", id=vm["id"])
        return bool(found["state"] == "Stopped")

    until(stopped, "the reconciler sees that the guest is off")
    here.api("startVirtualMachine", id=vm["id"])
    assert here.running() == ["shot"]
    here.api("destroyVirtualMachine", id=vm["id"], expunge=True)
    here.api("deleteNetwork", id=only)
    assert here.left() == []


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("certificate", "repeat with .pin=sha256"),
        ("password", "does not know the user"),
        ("cluster", "has no cluster Nowhere"),
    ],
)
def test_a_host_that_cannot_be_trusted_or_reached_is_not_added(
    here: Here, what: str, words: str
) -> None:
    asked = who() | {"url": here.vcenter.url()}
    if what == "certificate":
        asked["url"] = here.vcenter.url(pin="")
    elif what == "password":
        asked["password"] = "wrong"
    else:
        asked["url"] = asked["url"].replace(peer.CLUSTER, "Nowhere")
    with pytest.raises(CloudStackApiException, match=words):
        here.api("addHost", **here.where, hypervisor="VMware", **asked)
    assert len(here.api("listHosts", type="Routing")["host"]) == 2


def test_a_template_of_the_wrong_format_is_refused(here: Here) -> None:
    image = here.server.home / "no-image.vmdk"
    image.write_bytes(b"this is no image" * 4096)
    registered(here, "broken", image, "VMDK", fails=True)
