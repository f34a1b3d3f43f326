"""Machines that boot over the network, through the API, in a zone that has simulated hosts too.

Two QEMU machines stand on a network of their own. VirtualBMC is the BMC of one, sushy-tools of the
other; the controller's dnsmasq, agent and image writing bring each from an empty disk to a system
that booted from the chosen image, and back to an empty disk.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from cs import CloudStackApiException

from guest import agent
from guest.build import READY
from tests.e2e.place import Place, cloud
from tests.guest.tiny import absent, image
from tests.peers.baremetal import rack as peer
from tests.peers.baremetal.rack import Computer, Rack
from tests.real.test_quickstart import until

DRIVERS = ("baremetal",)
pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(600)]

BOOT_S = 180.0
KINDS = ("ipmi", "redfish")
MARKS = (b"SAGASTACK-DISK volume=", b"SAGATINY")


@dataclass
class Machines:
    """The cloud, its machines by what their BMCs speak, and the template."""

    place: Place
    rack: Rack
    urls: dict[str, str]
    computers: dict[str, Computer]
    template: dict[str, Any]
    offering: dict[str, Any]
    where: dict[str, str]

    def booted(self, kind: str) -> bool:
        return READY in self.computers[kind].console()


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    if lacking := peer.missing():
        absent(f"there can be no machines: {lacking}")
    tiny, root = image(), tmp_path_factory.mktemp("baremetal")
    agent.build(peer.VAR / "agent", peer.VAR)
    (root / "agent").mkdir()
    for name in ("vmlinuz", "agent.gz"):
        shutil.copy(peer.VAR / "agent" / name, root / "agent" / name)
    chosen = {"SAGASTACK_DRIVER_BAREMETAL": f"agent={root}/agent,every_s=0.5,wipe_wait_s=120"}
    with peer.rack(root) as rack, cloud(root / "home", **chosen) as place:
        computers = {kind: rack.add(f"bm-{kind}-{rack.interface}") for kind in KINDS}
        http = peer.free_port(socket.SOCK_STREAM)
        tail = f"provision={rack.interface}&http={http}&alive=dhcp&boot_s={BOOT_S:.0f}"
        system = f"redfish/v1/Systems/{computers['redfish'].uuid}"
        urls = {
            "ipmi": f"ipmi://127.0.0.1:{rack.ipmi(computers['ipmi'])}/",
            "redfish": f"redfish+http://127.0.0.1:{rack.redfish()}/{system}",
        }
        urls = {kind: f"{url}?mac={computers[kind].mac}&{tail}" for kind, url in urls.items()}
        api = place.api
        # addHost answers once the machine has been inspected, and an image takes its time.
        api.cs.timeout = api.cs.job_timeout = 900
        zone, pod = place.built.zone, place.built.pod
        cluster = api(
            "addCluster", zoneid=zone, podid=pod, clustername="machines",
            clustertype="CloudManaged", hypervisor="BareMetal",
        )["cluster"][0]  # fmt: skip
        os_type = api("listOsTypes", description="Other Linux (64-bit)")["ostype"][0]["id"]
        template = api(
            "registerTemplate", name="tiny", displaytext="tiny", format="QCOW2",
            hypervisor="BareMetal", url=tiny.disk.as_uri(), zoneid=zone, ostypeid=os_type,
        )["template"][0]  # fmt: skip
        offering = api(
            "createServiceOffering", name="machine", displaytext="machine", cpunumber=1,
            cpuspeed=500, memory=256,
        )["serviceoffering"]  # fmt: skip
        where = {"zoneid": zone, "podid": pod, "clusterid": cluster["id"]}
        made = Machines(place, rack, urls, computers, template, offering, where)
        until(lambda: bool(_template(made)["isready"]), "the template is ready")
        yield made


def _template(machines: Machines) -> dict[str, Any]:
    api, template_id = machines.place.api, machines.template["id"]
    found: dict[str, Any] = api.one(
        "listTemplates", "template", id=template_id, templatefilter="all"
    )
    return found


def _again(verb: Callable[[], Any], *, until_s: float) -> Any:
    """As a person does who is told to repeat it: the machine boots meanwhile."""
    said: list[Any] = []

    def done() -> bool:
        try:
            said.append(verb())
        except CloudStackApiException as error:
            assert "no agent came" not in str(error.error), error.error
            return False
        return True

    until(done, "it succeeds once the machine has been inspected", until_s)
    return said[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_password_is_told_and_adds_nothing(machines: Machines, kind: str) -> None:
    api = machines.place.api
    with pytest.raises(CloudStackApiException, match=r"(?i)password"):
        api(
            "addHost", url=machines.urls[kind], hypervisor="BareMetal", username=peer.USER,
            password="wrong", **machines.where,
        )  # fmt: skip
    assert not api("listHosts", hypervisor="BareMetal").get("host")
    assert not machines.rack.runs(machines.computers[kind]), "nothing was turned on"


@pytest.mark.parametrize("kind", KINDS)
def test_a_machine_from_an_empty_disk_to_a_system_and_back(machines: Machines, kind: str) -> None:
    api, rack, computer = machines.place.api, machines.rack, machines.computers[kind]
    credentials = {"username": peer.USER, "password": peer.PASSWORD}
    asked = {"url": machines.urls[kind], "hypervisor": "BareMetal", **credentials}
    host = _again(lambda: api("addHost", **asked, **machines.where), until_s=BOOT_S)["host"][0]
    assert (host["state"], host["hypervisor"], host["cpunumber"]) == ("Up", "BareMetal", 1)
    assert 256 * 2**20 < host["memorytotal"] <= peer.MEMORY_MIB * 2**20
    pool = api(
        "createStoragePool", name=f"disks-{kind}", url="disk:///", scope="HOST",
        **{"details[0].hostid": host["id"]}, **machines.where,
    )["storagepool"]  # fmt: skip
    assert pool["disksizetotal"] == peer.DISK_BYTES
    ask = {
        "zoneid": machines.where["zoneid"], "serviceofferingid": machines.offering["id"],
        "templateid": machines.template["id"], "hostid": host["id"],
    }  # fmt: skip
    vm = api("deployVirtualMachine", name=f"vm-{kind}", **ask)["virtualmachine"]
    assert (vm["state"], vm["hypervisor"], vm["hostid"]) == ("Running", "BareMetal", host["id"])
    until(lambda: machines.booted(kind), "the machine booted the image", BOOT_S)
    written = computer.disk.read_bytes()
    assert all(mark in written for mark in MARKS), "the label and the image are on the disk"

    with pytest.raises(CloudStackApiException) as full:
        api("deployVirtualMachine", name="second", **ask)
    assert "533" in str(full.value.error) or "room" in str(full.value.error)
    volume = api.one("listVolumes", "volume", virtualmachineid=vm["id"], type="ROOT")
    with pytest.raises(CloudStackApiException, match="machine's own"):
        api("createSnapshot", volumeid=volume["id"])

    api("stopVirtualMachine", id=vm["id"])
    assert not rack.runs(computer)
    computer.log.write_bytes(b"")
    started = api("startVirtualMachine", id=vm["id"])["virtualmachine"]
    assert started["state"] == "Running" and rack.runs(computer)
    until(lambda: machines.booted(kind), "the machine booted its disk again", BOOT_S)
    api("rebootVirtualMachine", id=vm["id"])
    assert rack.runs(computer)

    api("destroyVirtualMachine", id=vm["id"], expunge=True)
    assert not any(computer.disk.read_bytes()), "the disk was wiped for the next tenant"
    assert not api("listVirtualMachines", name=f"vm-{kind}").get("virtualmachine")
    api("deleteStoragePool", id=pool["id"])
    api("prepareHostForMaintenance", id=host["id"])
    api("deleteHost", id=host["id"])
    assert not api("listHosts", hypervisor="BareMetal").get("host")


def test_nothing_is_left(machines: Machines) -> None:
    """The controller's own programs end with it, and only those that it started."""
    machines.place.server.stop()
    listing = subprocess.run(
        ["ps", "-eo", "args"], check=True, capture_output=True, text=True, timeout=20
    ).stdout
    assert f"provision-{machines.rack.interface}" not in listing, "its dnsmasq runs still"
    cards = machines.place.server.home / "drivers" / "baremetal" / "nodes"
    for card in cards.glob("*.json"):
        said = json.loads(card.read_text())
        assert said.get("guest") is None
        assert all(not disk["volume"] and not disk["dirty"] for disk in said["disks"]), said
