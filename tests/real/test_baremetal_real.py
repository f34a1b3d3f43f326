"""Machines that boot over the network, through the API, in a zone that has simulated hosts too.

Four QEMU machines stand on a network of their own, two with a BIOS and two with OVMF, of which one
boots by HTTP alone. VirtualBMC or sushy-tools is the BMC of each; the controller's dnsmasq, agent
and image writing bring each from an empty disk to a system that booted from the chosen image, and
back to an empty disk.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from cs import CloudStackApiException

from guest import agent
from guest.build import READY
from tests.e2e.place import Place, cloud
from tests.e2e.server import Api
from tests.guest import efi
from tests.guest.installer import tiny_installer
from tests.guest.tiny import absent, image
from tests.peers.baremetal import rack as peer
from tests.peers.baremetal.rack import Computer, Rack
from tests.real.test_quickstart import until

DRIVERS = ("baremetal",)
pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(1800)]

BOOT_S = 900.0  # Beside other tests, on few cores.
KINDS = ("ipmi", "redfish")
UEFI = ("uefi", "uefi-http")
BY_IPMI, BY_REDFISH = ("ipmi", "uefi-http"), ("redfish", "uefi")
MARKS = (b"SAGASTACK-DISK volume=", b"SAGATINY")


@dataclass
class Machines:
    """The cloud, its machines by what their BMCs speak, and the template."""

    place: Place
    rack: Rack
    urls: dict[str, str]
    computers: dict[str, Computer]
    templates: dict[str, str]
    offering: dict[str, Any]
    where: dict[str, str]

    def booted(self, kind: str) -> bool:
        return READY in self.computers[kind].console()


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    if lacking := peer.missing():
        absent(f"there can be no machines: {lacking}")
    if lacking := efi.lacking():
        absent(f"there is no {lacking}")
    tiny, root = image(), tmp_path_factory.mktemp("baremetal")
    agent.build(peer.VAR / "agent", peer.VAR)
    (root / "agent").mkdir()
    for name in ("vmlinuz", "agent.gz"):
        shutil.copy(peer.VAR / "agent" / name, root / "agent" / name)
    chosen = {"SAGASTACK_DRIVER_BAREMETAL": f"agent={root}/agent,every_s=0.5,wipe_wait_s=120"}
    with peer.rack(root) as rack, cloud(root / "home", **chosen) as place:
        computers = {kind: rack.add(f"bm-{kind}-{rack.interface}") for kind in KINDS}
        computers |= {kind: rack.add(f"bm-{kind}-{rack.interface}", kind) for kind in UEFI}
        http = peer.free_port(socket.SOCK_STREAM)
        tail = f"provision={rack.interface}&http={http}&alive=dhcp&boot_s={BOOT_S:.0f}"
        port = rack.redfish()
        urls = {kind: f"ipmi://127.0.0.1:{rack.ipmi(computers[kind])}/" for kind in BY_IPMI}
        urls |= {
            kind: f"redfish+http://127.0.0.1:{port}/redfish/v1/Systems/{computers[kind].uuid}"
            for kind in BY_REDFISH
        }
        urls = {kind: f"{url}?mac={computers[kind].mac}&{tail}" for kind, url in urls.items()}
        urls["redfish"] += "&bios=NicBoot1:Disabled,QuietBoot:false&raid=RAID1"
        urls |= {kind: f"{urls[kind]}&uefi=yes" for kind in UEFI}
        api = place.api
        # addHost answers once the machine has been inspected, and an image takes its time.
        api.cs.timeout = api.cs.job_timeout = 1500
        zone, pod = place.built.zone, place.built.pod
        cluster = api(
            "addCluster", zoneid=zone, podid=pod, clustername="machines",
            clustertype="CloudManaged", hypervisor="BareMetal",
        )["cluster"][0]  # fmt: skip
        os_type = api("listOsTypes", description="Other Linux (64-bit)")["ostype"][0]["id"]
        images = {
            "tiny": (tiny.disk, "QCOW2"),
            "efi": (efi.efi_disk(tiny, root), "QCOW2"),
            "installer": (tiny_installer(tiny, root), "TAR"),
        }
        templates = {
            name: api(
                "registerTemplate", name=name, displaytext=name, format=form, url=path.as_uri(),
                hypervisor="BareMetal", zoneid=zone, ostypeid=os_type,
            )["template"][0]["id"]
            for name, (path, form) in images.items()
        }  # fmt: skip
        offering = api(
            "createServiceOffering", name="machine", displaytext="machine", cpunumber=1,
            cpuspeed=500, memory=256,
        )["serviceoffering"]  # fmt: skip
        where = {"zoneid": zone, "podid": pod, "clusterid": cluster["id"]}
        made = Machines(place, rack, urls, computers, templates, offering, where)

        def ready() -> bool:
            found = api("listTemplates", templatefilter="all", hypervisor="BareMetal")
            return all(one["isready"] for one in found["template"])

        until(ready, "the templates are ready")
        yield made


def _host(machines: Machines, asked: dict[str, Any]) -> dict[str, Any]:
    """As a person does: where the machine boots for longer than an answer may take, they look."""
    api, found = machines.place.api, dict[str, Any]()

    def is_up() -> bool:
        there = api("listHosts", hypervisor="BareMetal", state="Up").get("host", [])
        found.update(*there)
        return bool(there)

    try:
        found |= api("addHost", **asked, **machines.where)["host"][0]
    except CloudStackApiException as error:
        assert "look before retry" in str(error.error), error.error
        until(is_up, "the machine has been inspected", BOOT_S)
    return found


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


def _added(machines: Machines, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The machine as a host, and its disks as a pool."""
    api = machines.place.api
    credentials = {"username": peer.USER, "password": peer.PASSWORD}
    asked = {"url": machines.urls[kind], "hypervisor": "BareMetal", **credentials}
    host = _host(machines, asked)
    assert host["cpuspeed"] == peer.RATED_MHZ, "not what it runs at beside whatever else runs here"
    pool = api(
        "createStoragePool", name=f"disks-{kind}", url="disk:///", scope="HOST",
        **{"details[0].hostid": host["id"]}, **machines.where,
    )["storagepool"]  # fmt: skip
    return host, pool


def _removed(machines: Machines, host: dict[str, Any], pool: dict[str, Any]) -> None:
    machines.place.api("deleteStoragePool", id=pool["id"])
    machines.place.api("prepareHostForMaintenance", id=host["id"])
    machines.place.api("deleteHost", id=host["id"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_machine_from_an_empty_disk_to_a_system_and_back(machines: Machines, kind: str) -> None:
    api, rack, computer = machines.place.api, machines.rack, machines.computers[kind]
    host, pool = _added(machines, kind)
    assert (host["state"], host["hypervisor"], host["cpunumber"]) == ("Up", "BareMetal", 1)
    assert 256 * 2**20 < host["memorytotal"] <= peer.MEMORY_MIB * 2**20
    assert pool["disksizetotal"] == peer.DISK_BYTES
    ask = {
        "zoneid": machines.where["zoneid"], "serviceofferingid": machines.offering["id"],
        "templateid": machines.templates["tiny"], "hostid": host["id"],
    }  # fmt: skip
    vm = api("deployVirtualMachine", name=f"vm-{kind}", **ask)["virtualmachine"]
    assert (vm["state"], vm["hypervisor"], vm["hostid"]) == ("Running", "BareMetal", host["id"])
    until(lambda: machines.booted(kind), "the machine booted the image", BOOT_S)
    if kind == "ipmi":
        asyncio.run(_talked_to_by_serial_line(api, vm["id"]))
    else:
        assert machines.rack.volumes(), "sushy-tools was told to make a RAID volume"
        _set_by_redfish(machines)
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
    _removed(machines, host, pool)
    assert not api("listHosts", hypervisor="BareMetal").get("host")


async def _talked_to_by_serial_line(api: Api, vm_id: str) -> None:
    """A shell of the machine's answers through the door: QEMU's serial port, SOL, a WebSocket."""
    told = await asyncio.to_thread(api, "createConsoleEndpoint", virtualmachineid=vm_id)
    at, heard = told["consoleendpoint"]["websocket"], b""
    url = f"http://{at['host']}:{at['port']}{at['path']}"
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as line:
        await line.send_str(at["token"])
        async with asyncio.timeout(60):
            while b"says 42" not in heard:
                if b"echo" not in heard:
                    await line.send_bytes(b"\recho says $((6 * 7))\r")
                message = await line.receive()
                assert message.type is aiohttp.WSMsgType.BINARY, message
                heard += message.data


def _set_by_redfish(machines: Machines) -> None:
    url = machines.urls["redfish"].partition("?")[0].replace("redfish+http", "http")
    word = base64.b64encode(f"{peer.USER}:{peer.PASSWORD}".encode()).decode()
    asked = urllib.request.Request(f"{url}/BIOS", headers={"Authorization": f"Basic {word}"})
    with urllib.request.urlopen(asked, timeout=120) as answer:
        has = json.load(answer)["Attributes"]
    assert (has["NicBoot1"], str(has["QuietBoot"]).lower()) == ("Disabled", "false"), has


@pytest.mark.parametrize("kind", UEFI)
def test_a_machine_that_boots_by_uefi(machines: Machines, kind: str) -> None:
    """By PXE and by HTTP: real firmware fetches iPXE, that the agent; then it starts from disk."""
    api, computer = machines.place.api, machines.computers[kind]
    host, pool = _added(machines, kind)
    log = machines.place.server.home / f"drivers/baremetal/provision-{machines.rack.interface}/log"
    by_http = "HTTPClient:Arch:00016" in log.read_text()
    assert by_http == (kind == "uefi-http"), "the one that boots by HTTP comes last"
    if by_http:
        vm = api(
            "deployVirtualMachine", name=f"vm-{kind}", zoneid=machines.where["zoneid"],
            serviceofferingid=machines.offering["id"], templateid=machines.templates["efi"],
            hostid=host["id"], boottype="UEFI", bootmode="LEGACY",
        )["virtualmachine"]  # fmt: skip
        assert vm["state"] == "Running"
        until(lambda: machines.booted(kind), "the machine booted the image", BOOT_S)
        api("destroyVirtualMachine", id=vm["id"], expunge=True)
        assert not any(computer.disk.read_bytes()), "the disk was wiped for the next tenant"
    _removed(machines, host, pool)


def test_a_system_is_installed_by_its_own_installer(machines: Machines) -> None:
    """Kernel, initrd and answers from us; the machine's word ends it; it boots what it has."""
    api, computer = machines.place.api, machines.computers["ipmi"]
    host, pool = _added(machines, "ipmi")
    computer.log.write_bytes(b"")
    vm = api(
        "deployVirtualMachine", name="installed", zoneid=machines.where["zoneid"],
        serviceofferingid=machines.offering["id"], templateid=machines.templates["installer"],
        hostid=host["id"],
    )["virtualmachine"]  # fmt: skip
    assert vm["state"] == "Running"
    until(lambda: machines.booted("ipmi"), "the machine booted what was installed", BOOT_S)
    assert f"INSTALLING {vm['name']} onto /dev/vda" in computer.console()
    api("destroyVirtualMachine", id=vm["id"], expunge=True)
    assert not any(computer.disk.read_bytes()), "the disk was wiped for the next tenant"
    _removed(machines, host, pool)


def test_nothing_is_left(machines: Machines) -> None:
    """The controller's own programs end with it, and only those that it started."""
    machines.place.server.stop()
    listing = subprocess.run(
        ["ps", "-eo", "args"], check=True, capture_output=True, text=True, timeout=120
    ).stdout
    assert f"provision-{machines.rack.interface}" not in listing, "its dnsmasq runs still"
    cards = machines.place.server.home / "drivers" / "baremetal" / "nodes"
    for card in cards.glob("*.json"):
        said = json.loads(card.read_text())
        assert said.get("guest") is None
        assert all(not disk["volume"] and not disk["dirty"] for disk in said["disks"]), said
