"""Whole lives of guests behind a vCenter through the API, against govmomi's simulator.

The vCenter is a process of its own with two hosts and two datastores, as is the controller. What is
compared are the bytes in the datastores' files, and at the end that nothing is left but what pools
keep of templates.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cs import CloudStackApiException

from tests.drivers.harness_vsphere import read_at, write_at
from tests.drivers.vcenter_hand import Hand
from tests.e2e.server import Api, Awaitable, Server, serving
from tests.guest.tiny import absent
from tests.images.files import descriptor, disc, packed
from tests.infra.build import physical_network, pod, zone
from tests.peers import vcenter as peer
from tests.real.test_quickstart import until

DRIVERS = ("vsphere",)
pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
MIB, GIB = 2**20, 2**30
# What an appliance asks of who deploys it (DMTF DSP0243, and VMware's words).
PRODUCT = """<OperatingSystemSection o:id="94" vmw:osType="*ubuntu64Guest"><Info/>
  <Description>Ubuntu</Description></OperatingSystemSection>
<EulaSection><Info>Licence</Info><License>Be good.</License></EulaSection>
<ProductSection o:class="net"><Info/><Product>Router</Product><Version>7</Version>
  <Category>Network</Category>
  <Property o:key="ip" o:type="ip" o:userConfigurable="true"><Label>Address</Label></Property>
  <Property o:key="mtu" o:type="uint16" o:userConfigurable="true"
    o:qualifiers="MinValue(576) MaxValue(9000)"/>
  <Property o:key="role" o:type="string" o:userConfigurable="true" o:value="edge"
    o:qualifiers='ValueMap{"edge","core"}'/>
  <Property o:key="secret" o:type="string" o:password="true" o:userConfigurable="true"
    o:qualifiers="MinLen(4)"/>
  <Property o:key="build" o:type="string" o:value="4711"/>
</ProductSection>"""
NETWORKS = """<NetworkSection><Info/><Network o:name="outside"><Description>To all</Description>
  </Network><Network o:name="inside"/></NetworkSection>
<DeploymentOptionSection><Info/><Configuration o:id="small" o:default="true"><Label>Small</Label>
  </Configuration></DeploymentOptionSection>"""
CARDS = "".join(
    f"<Item><r:Connection>{name}</r:Connection><r:ElementName>Card {number}</r:ElementName>"
    f"<r:InstanceID>{number}</r:InstanceID><r:ResourceSubType>{model}</r:ResourceSubType>"
    "<r:ResourceType>10</r:ResourceType></Item>"
    for name, number, model in (("outside", 7, "E1000"), ("inside", 8, "VmxNet3"))
)


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
        """Machines that run, by their names."""
        on = [one for one in self.hand.all() if str(one.runtime.powerState) == "poweredOn"]
        return sorted(one.name for one in on)

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


def ova(folder: Path, name: str, *, damaged: bool = False, parts: int = 1, **more: str) -> Path:
    """An appliance with a manifest: the descriptor first, as the format wants it."""
    disk = vmdk(folder, name).read_bytes()
    names = [f"disk{number}.vmdk" for number in range(parts)]
    content = packed(
        {"a.ovf": descriptor(*names, **more), **dict.fromkeys(names, disk)}, sums="SHA256"
    )
    path = folder / f"{name}.ova"
    path.write_bytes(
        content.replace(disk, disk[:-1] + bytes([disk[-1] ^ 1])) if damaged else content
    )
    return path


def registered(
    here: Here, name: str, image: Path, form: str, *, fails: str = "", **more: Any
) -> str:
    """The id of a template that is ready; or that could not be, for a reason with these words."""
    api = here.api
    made = api(
        "registerTemplate", name=name, displaytext=name, format=form, hypervisor="VMware",
        url=image.as_uri(), zoneid=here.where["zoneid"],
        ostypeid=api("listOsTypes", description="Other Linux (64-bit)")["ostype"][0]["id"], **more,
    )["template"][0]  # fmt: skip

    def settled() -> bool:
        found = api.one("listTemplates", "template", id=made["id"], templatefilter="all")
        failed = "error" in found.get("status", "").lower()
        assert (fails in found["status"]) if failed and fails else not failed, found["status"]
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
    assert (vm["state"], here.running()) == ("Running", [vm["instancename"]])
    machine = here.hand.all()[0]
    assert machine.parent.parent.name == "sagastack", "a folder for each tenant"
    vlan = api.one("listNetworks", "network", id=first)["vlan"]
    assert {one.name for one in machine.network} == {f"DVS0.{vlan}"}, "no other network's guests"
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
    assert here.running() == [vm["instancename"]]

    kept = api("createVMSnapshot", virtualmachineid=vm["id"], snapshotmemory=True)["vmsnapshot"]
    here.write(root, 2)
    api("revertToVMSnapshot", vmsnapshotid=kept["id"])
    assert (here.read(root), here.running()) == (1, [vm["instancename"]])
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
    assert here.running() == [vm["instancename"]]
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
    assert here.running() == [vm["instancename"]]
    api("stopVirtualMachine", id=vm["id"])
    assert here.read(here.volume(id=root["id"])) == 7, "it has come to its own path"
    api("startVirtualMachine", id=vm["id"])
    api("destroyVirtualMachine", id=vm["id"], expunge=True)
    api("deleteNetwork", id=only)
    assert here.left() == []


def test_what_firmware_remembers_goes_with_the_root_volume(here: Here, template: str) -> None:
    api, entries = here.api, b"boot from the second disk"
    vm = deploy(
        here, template, name="efi", networkids=(only := network(here, "sixth")),
        boottype="UEFI", bootmode="LEGACY",
    )  # fmt: skip
    memory(here).write_bytes(entries)
    api("stopVirtualMachine", id=vm["id"])
    root = here.volume(virtualmachineid=vm["id"], type="ROOT")
    pools = api("listStoragePools")["storagepool"]
    target = next(one for one in pools if one["id"] != root["storageid"])
    api("migrateVolume", volumeid=root["id"], storageid=target["id"])
    api("startVirtualMachine", id=vm["id"])
    assert memory(here).read_bytes() == entries
    api("destroyVirtualMachine", id=vm["id"], expunge=True)
    api("deleteNetwork", id=only)
    assert here.left() == []


def memory(here: Here) -> Path:
    """What the firmware of the one guest writes to."""
    (machine,) = here.hand.all()
    return here.vcenter.file(next(o.name for o in machine.layoutEx.file if o.type == "nvram"))


def test_an_appliance_becomes_a_guest(here: Here) -> None:
    """An OVA is taken with what its manifest says of it."""
    image = registered(here, "appliance", ova(here.server.home, "appliance"), "OVA")
    vm = deploy(here, image, name="app", networkids=(only := network(here, "third")))
    root = here.volume(virtualmachineid=vm["id"], type="ROOT")
    with here.vcenter.flat(root["path"]).open("rb") as file:
        assert file.read(16) == b"a system of ours"
    here.api("destroyVirtualMachine", id=vm["id"], expunge=True)
    bad = ova(here.server.home, "bad", damaged=True)
    registered(here, "bad", bad, "OVA", fails="damaged: its sha256")
    here.api("deleteNetwork", id=only)
    assert here.left() == []


@dataclass
class Router:
    """An appliance of three disks and two cards, on two networks crosswise."""

    image: str
    nets: list[str]
    good: dict[str, str | None]

    @property
    def cards(self) -> dict[str, Any]:
        pairs = enumerate(zip((8, 7), self.nets, strict=True))
        return {
            f"nicnetworklist[{n}].{key}": value
            for n, (nic, net) in pairs
            for key, value in (("nic", nic), ("network", net))
        }


@pytest.fixture(scope="module")
def router(here: Here) -> Router:
    words = {"system": PRODUCT, "sections": NETWORKS, "hardware": CARDS}
    path = ova(here.server.home, "router", parts=3, **words)
    image = registered(here, "router", path, "OVA", deployasis=True)
    nets = [network(here, "outside"), network(here, "inside")]
    return Router(image, nets, {"ip": "192.0.2.7", "secret": "tell-none", "mtu": "9000"})


def test_a_template_says_what_its_appliance_says(here: Here, router: Router) -> None:
    seen = here.api.one("listTemplates", "template", id=router.image, templatefilter="all")
    told = seen["deployasisdetails"]
    assert seen["deployasis"] and told["eula-0-Licence"] == "Be good."
    assert json.loads(told["property-mtu"])["userConfigurable"] is True
    assert json.loads(told["property-secret"])["password"] is True
    assert json.loads(told["network-outside"])["InstanceID"] == 7
    assert "configuration-0-small" in told
    assert [one["name"] for one in seen["childtemplates"]] == ["disk1.vmdk", "disk2.vmdk"]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"ip": "here"}, "property net.ip .* give an address"),
        ({"mtu": None}, "property net.mtu .* must be given"),
        ({"mtu": "9001"}, "property net.mtu .* at most 9000"),
        ({"role": "spine"}, "property net.role .* one of 'edge', 'core'"),
        ({"secret": "abc"}, "property net.secret of appliance made is wrong: give at least 4"),
        ({"build": "1"}, "net.build .* leave it out"),
        ({"colour": "red"}, "no property colour: it takes ip, mtu, role, secret"),
    ],
)
def test_a_wrong_property_is_refused_by_its_name(
    here: Here, router: Router, wrong: dict[str, str | None], why: str
) -> None:
    with pytest.raises(CloudStackApiException, match=why):
        deploy(here, router.image, name="r", **router.cards, **properties(router.good | wrong))
    assert here.hand.machines() == []


def test_each_card_of_an_appliance_needs_a_network(here: Here, router: Router) -> None:
    first = {"nicnetworklist[0].nic": 7, "nicnetworklist[0].network": router.nets[0]}
    good = properties(router.good)
    with pytest.raises(CloudStackApiException, match="no network for card 8"):
        deploy(here, router.image, name="r", **first, **good)
    with pytest.raises(CloudStackApiException, match=r"no card 9: it has 7 \(outside\), 8"):
        deploy(here, router.image, name="r", **first | {"nicnetworklist[0].nic": 9}, **good)
    with pytest.raises(CloudStackApiException, match="leave rootdisksize out"):
        deploy(here, router.image, name="r", rootdisksize=1, **router.cards, **good)


def test_an_appliance_of_several_disks_is_deployed_as_it_is(here: Here, router: Router) -> None:
    """Each disk is a volume; properties are sealed, told, and told again at a restart."""
    api, hand = here.api, here.hand
    vm = deploy(here, router.image, name="r", **router.cards, **properties(router.good))
    disks = api("listVolumes", virtualmachineid=vm["id"])["volume"]
    assert sorted((one["type"], one["deviceid"], one["size"]) for one in disks) == [
        ("DATADISK", 1, 16 * MIB), ("DATADISK", 2, 16 * MIB), ("ROOT", 0, 16 * MIB),
    ]  # fmt: skip
    for one in disks:
        with here.vcenter.flat(one["path"]).open("rb") as file:
            assert file.read(16) == b"a system of ours"
    assert [nic["networkid"] for nic in vm["nic"]] == router.nets[::-1], "as the cards are"

    wanted = {"net.ip": "192.0.2.7", "net.mtu": "9000", "net.role": "edge"}
    wanted |= {"net.secret": "tell-none", "net.build": "4711"}
    assert environment(here) == wanted
    (machine,) = hand.all()
    kinds = {type(one).__name__.rpartition(".")[2] for one in machine.config.hardware.device}
    assert machine.config.guestId == "ubuntu64Guest"
    assert {"VirtualLsiLogicController", "VirtualE1000", "VirtualVmxnet3"} <= kinds
    api("stopVirtualMachine", id=vm["id"])
    api("startVirtualMachine", id=vm["id"])
    assert environment(here) == wanted
    log = written(here.server.home)
    assert b"tell-none" not in log and b"192.0.2.7" in log
    api("stopVirtualMachine", id=vm["id"])
    ids = [one["id"] for one in disks if one["type"] == "DATADISK"]
    api("destroyVirtualMachine", id=vm["id"], expunge=True, volumeids=",".join(ids))
    for net in router.nets:
        api("deleteNetwork", id=net)
    assert here.left() == []
    assert len(images(here, router.image)) >= 3
    api("deleteTemplate", id=router.image)
    until(lambda: not images(here, router.image), "the images of all parts go with their template")


def environment(here: Here) -> dict[str, str]:
    """What vCenter tells the one guest by its vApp options."""
    (machine,) = here.hand.all()
    return {f"{one.classId}.{one.id}": one.value for one in machine.config.vAppConfig.property}


def properties(values: dict[str, str | None]) -> dict[str, str]:
    """As the wire has them; None leaves one out."""
    given = [(key, value) for key, value in values.items() if value is not None]
    pairs = {f"properties[{n}].key": key for n, (key, _) in enumerate(given)}
    return pairs | {f"properties[{n}].value": value for n, (_, value) in enumerate(given)}


def images(here: Here, template: str) -> set[str]:
    """What pools keep of the disks of a template: their ids differ in the last digit."""
    top = [here.vcenter.file(f"[{name}] sagastack") for name in peer.STORES]
    return {one.name for at in top for one in at.rglob(f"images/{template[:-1]}?.vmdk")}


def written(home: Path) -> bytes:
    """All that the controller has on disk, but for images: the log, its copies, the vault."""
    files = [one for one in home.rglob("*") if one.is_file() and "images" not in one.parts]
    return b"".join(one.read_bytes() for one in files if one.stat().st_size < 64 * MIB)


def test_properties_are_for_appliances_that_are_deployed_as_they_are(
    here: Here, template: str
) -> None:
    with pytest.raises(CloudStackApiException, match="register the OVA with deployasis=true"):
        deploy(here, template, **properties({"ip": "192.0.2.7"}))
    with pytest.raises(CloudStackApiException, match="deployasis is for appliances"):
        registered(here, "no", here.server.home / "x.vmdk", "VMDK", deployasis=True)


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
    assert here.running() == [vm["instancename"]]
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
    registered(here, "broken", image, "VMDK", fails="no VMDK")
