"""One real guest's whole life through the API, after which the host is as it was before.

Disks, discs, cards, bridges and domains are compared with what was there when the guest came.
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.real.test_quickstart import First, first, until

__all__ = ["first"]

DRIVERS = ("libvirt",)
pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

GIB = 2**30


def left_behind(first: First) -> dict[str, set[str]]:
    """What a guest could leave on its host; images that pools keep are templates' and stay."""
    home = first.server.home
    folders = {name: home / name for name in ("pool", "config-discs", "guest-logs", "downloads")}
    found = {name: _files(folder) for name, folder in folders.items()}
    found["domains"] = {one.UUIDString() for one in first.libvirt.listAllDomains()}
    enter = ("nsenter", "--target", str(first.host.pid), "--net")
    told = subprocess.run(
        [*enter, "ip", "-json", "link"], check=True, capture_output=True, text=True, timeout=20
    )
    found["links"] = {one["ifname"] for one in json.loads(told.stdout)}
    return found


def _files(folder: Path) -> set[str]:
    return {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()}


@pytest.fixture(scope="module")
def before(first: First) -> Iterator[dict[str, set[str]]]:
    yield left_behind(first)


def parts(first: First, vm_id: str, what: str) -> list[Any]:
    return ET.fromstring(first.domain(vm_id).XMLDesc()).findall(f"devices/{what}")


def label_of(disc: Path) -> str:
    """The volume's name in the primary descriptor (ECMA-119, 8.4)."""
    with disc.open("rb") as file:
        file.seek(32_768 + 40)
        return file.read(32).decode().strip()


def deploy(first: First) -> dict[str, Any]:
    """A guest with a data disk, that is told what to do by a disc."""
    api = first.api
    like = api.one("listVirtualMachines", "virtualmachine", name="first")
    offered = api("listNetworkOfferings", name="DefaultL2NetworkOfferingConfigDrive")
    network = api(
        "createNetwork", zoneid=like["zoneid"], name="by drive", displaytext="by drive",
        networkofferingid=offered["networkoffering"][0]["id"],
    )["network"]  # fmt: skip
    custom = api("listDiskOfferings", name="Custom")["diskoffering"][0]
    asked = {name: like[name] for name in ("zoneid", "serviceofferingid", "templateid")}
    made: dict[str, Any] = api(
        "deployVirtualMachine", **asked, name="whole", networkids=network["id"],
        diskofferingid=custom["id"], size=5, userdata=base64.b64encode(b"#cloud-config\n").decode(),
    )["virtualmachine"]  # fmt: skip
    return made


def test_a_whole_life_leaves_nothing(first: First, before: dict[str, set[str]]) -> None:
    api, home = first.api, first.server.home
    vm = deploy(first)
    vm_id = {"id": vm["id"]}
    until(lambda: first.boots(vm["id"]) == 1, "the guest boots")
    disc = next((home / "config-discs").rglob("*.iso"))
    assert label_of(disc) == "config-2"
    assert b"#cloud-config\n" in disc.read_bytes()
    assert (disc.stat().st_mode & 0o077) == 0, "it may hold a password"
    volumes = api("listVolumes", virtualmachineid=vm["id"])["volume"]
    root, data = (next(v for v in volumes if v["type"] == kind) for kind in ("ROOT", "DATADISK"))
    assert set(first.disks()) >= {f"{root['id']}.qcow2", f"{data['id']}.qcow2"}

    networks = api("listNetworks", zoneid=vm["zoneid"])["network"]
    other = next(one for one in networks if one["id"] != vm["nic"][0]["networkid"])
    cards = len(parts(first, vm["id"], "interface"))
    added = api("addNicToVirtualMachine", virtualmachineid=vm["id"], networkid=other["id"])
    card = next(nic for nic in added["virtualmachine"]["nic"] if nic["networkid"] == other["id"])
    macs = {one.find("mac").get("address") for one in parts(first, vm["id"], "interface")}
    assert (len(macs), card["macaddress"] in macs) == (cards + 1, True)

    grown = api("resizeVolume", id=data["id"], size=7)["volume"]
    path = str(home / "pool" / f"{data['id']}.qcow2")
    assert grown["size"] == first.domain(vm["id"]).blockInfo(path)[0] == 7 * GIB
    slow = api("createDiskOffering", name="slow", displaytext="slow", customized=True, maxiops=77)
    api("changeOfferingForVolume", id=data["id"], diskofferingid=slow["diskoffering"]["id"])
    assert first.domain(vm["id"]).blockIoTune(path)["total_iops_sec"] == 77, "at once"
    snapshot = api("createSnapshot", volumeid=root["id"])["snapshot"]
    assert (home / "pool" / "snapshots" / f"{snapshot['id']}.qcow2").exists()

    ran = first.boots(vm["id"])
    api("restoreVirtualMachine", virtualmachineid=vm["id"])
    until(lambda: first.boots(vm["id"]) != ran or first.boots(vm["id"]) == 1, "it boots afresh")
    fresh = api.one("listVolumes", "volume", virtualmachineid=vm["id"], type="ROOT")
    assert disc.exists(), "a fresh disk is told what the old one was"
    assert fresh["id"] != root["id"] and f"{root['id']}.qcow2" not in first.disks()

    api("stopVirtualMachine", **vm_id)
    assert first.domain(vm["id"]) is None
    assert not list((home / "config-discs").rglob("*.iso")), "a disc goes with its guest"
    api("startVirtualMachine", **vm_id)
    until(lambda: first.boots(vm["id"]) > 0, "the guest boots from its restored disk")
    sizes = [first.domain(vm["id"]).blockInfo(path)[0]]
    assert sizes == [7 * GIB] and len(parts(first, vm["id"], "interface")) == cards + 1

    api("deleteSnapshot", id=snapshot["id"])
    api("destroyVirtualMachine", **vm_id, expunge=True, volumeids=data["id"])
    drive = api.one("listNetworks", "network", id=vm["nic"][0]["networkid"])
    api("deleteNetwork", id=drive["id"])
    after = left_behind(first)
    kept = {one for one in after["links"] if one.endswith(f"-{drive['vlan']}")}
    assert len(kept) == 1, "a VLAN's bridge is made once, and found again"
    after["links"] -= kept - before["links"]
    assert {name: after[name] - before[name] for name in before} == {n: set() for n in before}
    assert {name: before[name] - after[name] for name in before} == {n: set() for n in before}
