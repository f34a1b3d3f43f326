"""Discs, templates and downloads of a real guest, through the API: real files, and a real drive."""

from __future__ import annotations

import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.images.files import disc
from tests.real.test_quickstart import First, first, until

__all__ = ["first"]

DRIVERS = ("libvirt",)
pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


def tool(*argv: str) -> str:
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def guest(first: First) -> Iterator[dict[str, Any]]:
    first.vm = first.api.one("listVirtualMachines", "virtualmachine", name="first")
    yield first.vm


def in_drive(first: First, vm_id: str) -> str:
    """The file in the drive of a guest, as libvirt has it."""
    found = ET.fromstring(first.domain(vm_id).XMLDesc()).find(
        "devices/disk[@device='cdrom']/source"
    )
    return "" if found is None else found.get("file", "")


def linux(first: First) -> str:
    found = first.api("listOsTypes", description="Other Linux (64-bit)")
    return str(found["ostype"][0]["id"])


def test_a_disc_is_changed_in_a_running_guest(first: First, guest: Any, tmp_path: Path) -> None:
    """It is read where the pool keeps it, survives a stop, and is let go of."""
    api, vm_id = first.api, guest["id"]
    (tmp_path / "disc.iso").write_bytes(disc())
    made = api(
        "registerIso",
        name="disc",
        url=(tmp_path / "disc.iso").as_uri(),
        zoneid=guest["zoneid"],
        bootable="false",
    )["iso"][0]
    until(lambda: api.one("listIsos", "iso", id=made["id"], isofilter="all")["isready"], "ready")
    ran = first.domain(vm_id).ID()
    api("attachIso", id=made["id"], virtualmachineid=vm_id)
    held = in_drive(first, vm_id)
    assert held.endswith(f"/images/{made['id']}.iso")
    assert Path(held).read_bytes() == disc()
    api("stopVirtualMachine", id=vm_id, forced=True)
    api("startVirtualMachine", id=vm_id)
    assert in_drive(first, vm_id) == held and first.domain(vm_id).ID() != ran
    api("detachIso", virtualmachineid=vm_id)
    assert in_drive(first, vm_id) == ""
    api("deleteIso", id=made["id"])


def test_a_guest_becomes_a_template_that_boots(first: First, guest: Any) -> None:
    api, vm_id = first.api, guest["id"]
    root = api.one("listVolumes", "volume", virtualmachineid=vm_id, type="ROOT")
    api("stopVirtualMachine", id=vm_id, forced=True)
    done = api("createTemplate", volumeid=root["id"], name="golden", ostypeid=linux(first))
    made = done["template"]
    assert made["isready"] and made["hypervisor"] == "KVM"
    kept = first.server.home / "images" / guest["zoneid"] / f"{made['id']}.qcow2"
    assert "backing file" not in tool("qemu-img", "info", str(kept))
    tool("qemu-img", "check", "-q", str(kept))

    url = api("extractVolume", id=root["id"], zoneid=guest["zoneid"], mode="HTTP_DOWNLOAD")[
        "volume"
    ]["url"]
    with urllib.request.urlopen(url, timeout=60) as answer:
        content = answer.read()
    path = first.server.home / "fetched.qcow2"
    path.write_bytes(content)
    tool("qemu-img", "compare", "-q", str(kept), str(path))

    shape = {name: guest[name] for name in ("zoneid", "serviceofferingid")}
    again = api("deployVirtualMachine", templateid=made["id"], name="again", **shape)
    other = again["virtualmachine"]["id"]
    until(lambda: first.boots(other) > 0, "a guest boots from what another one had")
    api("destroyVirtualMachine", id=other, expunge=True)


def test_a_disk_from_outside_comes_to_the_guest(first: First, guest: Any) -> None:
    api, home = first.api, first.server.home
    source = home / "outside.qcow2"
    tool("qemu-img", "create", "-q", "-f", "qcow2", str(source), "8M")
    tool("qemu-io", "-f", "qcow2", "-c", "write -P 0x5a 1M 64k", str(source))
    volume = api(
        "uploadVolume", name="out", url=source.as_uri(), format="QCOW2", zoneid=guest["zoneid"]
    )["volume"]
    assert volume["state"] == "Uploaded"
    api("startVirtualMachine", id=guest["id"])
    done = api("attachVolume", id=volume["id"], virtualmachineid=guest["id"])["volume"]
    assert done["state"] == "Ready"
    disk = home / "pool" / f"{volume['id']}.qcow2"
    said = tool("qemu-io", "-U", "-r", "-f", "qcow2", "-c", "read -v 1M 16", str(disk))
    assert said.split()[1] == "5a"
    assert "backing file" not in tool("qemu-img", "info", "-U", str(disk))
