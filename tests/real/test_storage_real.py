"""Snapshots and moves of the disks of a real guest, through the API, with bytes to compare.

What is written and read is done by QEMU's own tools beside the controller.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real.test_quickstart import First, first, until

__all__ = ["first"]

DRIVERS = ("libvirt",)
pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

# Where in the disk the tests write: behind all that the guest has.
AT = "48M"


def tool(*argv: str) -> str:
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def write(path: Path, byte: int) -> None:
    tool("qemu-io", "-f", "qcow2", "-c", f"write -P {byte} {AT} 64k", str(path))


def read(path: Path) -> int:
    said = tool("qemu-io", "-U", "-r", "-f", "qcow2", "-c", f"read -v {AT} 16", str(path))
    return int(said.split()[1], 16)


@pytest.fixture(scope="module")
def guest(first: First) -> Iterator[dict[str, Any]]:
    first.vm = first.api.one("listVirtualMachines", "virtualmachine", name="first")
    yield first.vm


def root_of(first: First, vm_id: str) -> tuple[str, Path]:
    volume = first.api.one("listVolumes", "volume", virtualmachineid=vm_id, type="ROOT")
    return volume["id"], first.server.home / "pool" / f"{volume['id']}.qcow2"


def kept(first: First, snapshot_id: str) -> Path:
    return first.server.home / "pool" / "snapshots" / f"{snapshot_id}.qcow2"


def test_a_snapshot_of_a_running_guest_and_the_way_back(first: First, guest: Any) -> None:
    api, vm = first.api, {"id": guest["id"]}
    volume_id, disk = root_of(first, guest["id"])
    api("stopVirtualMachine", **vm)
    write(disk, 0x11)
    api("startVirtualMachine", **vm)
    ran = first.domain(guest["id"]).ID()
    snapshot = api("createSnapshot", volumeid=volume_id)["snapshot"]
    assert (snapshot["state"], first.domain(guest["id"]).ID()) == ("BackedUp", ran)
    file = kept(first, snapshot["id"])
    assert read(file) == 0x11
    assert "backing file" not in tool("qemu-img", "info", "-U", str(file))
    tool("qemu-img", "check", "-q", str(file))

    api("stopVirtualMachine", **vm)
    write(disk, 0x22)
    at_rest = api("createSnapshot", volumeid=volume_id)["snapshot"]
    assert (read(kept(first, at_rest["id"])), read(disk)) == (0x22, 0x22)
    api("revertSnapshot", id=snapshot["id"])
    assert read(disk) == 0x11
    api("revertSnapshot", id=at_rest["id"])
    assert read(disk) == 0x22

    api("startVirtualMachine", **vm)
    until(lambda: first.boots(guest["id"]) > 0, "the guest boots from the disk that came back")
    made = api("createVolume", snapshotid=snapshot["id"])["volume"]
    copy = disk.with_name(f"{made['id']}.qcow2")
    assert read(copy) == 0x11
    asked = {name: guest[name] for name in ("zoneid", "serviceofferingid")}
    born = api("deployVirtualMachine", **asked, snapshotid=snapshot["id"])["virtualmachine"]
    _, root = root_of(first, born["id"])
    until(lambda: first.boots(born["id"]) > 0, "a guest boots from a disk made of the snapshot")
    assert read(root) == 0x11
    assert "backing file" not in tool("qemu-img", "info", "-U", str(root))
    api("destroyVirtualMachine", id=born["id"], expunge=True)
    assert not root.exists()
    for one in (snapshot, at_rest):
        api("deleteSnapshot", id=one["id"])
        assert not kept(first, one["id"]).exists()
    assert read(copy) == 0x11
    api("deleteVolume", id=made["id"])
    assert not copy.exists()


def test_the_disk_of_a_running_guest_moves(first: First, guest: Any) -> None:
    """It goes on from the other folder, reboots from there, and nothing stays behind."""
    api, home = first.api, first.server.home
    volume_id, disk = root_of(first, guest["id"])
    here = api.one("listVolumes", "volume", id=volume_id)["storageid"]
    pool = api.one("listStoragePools", "storagepool", id=here)
    (home / "other").mkdir()
    asked = {name: pool[name] for name in ("zoneid", "podid", "clusterid", "scope") if name in pool}
    asked |= {"details[0].hostid": guest["hostid"]} if pool["scope"] == "HOST" else {}
    other = api("createStoragePool", name="other", url=f"file://{home}/other", **asked)
    moved = api(
        "migrateVolume", volumeid=volume_id, storageid=other["storagepool"]["id"], livemigrate=True
    )["volume"]
    assert (moved["storage"], disk.exists()) == ("other", False)
    arrived = home / "other" / disk.name
    assert arrived.stat().st_size > 0
    assert str(arrived) in first.domain(guest["id"]).XMLDesc()
    assert not list((home / "other" / ".incoming").iterdir())
    api("stopVirtualMachine", id=guest["id"])
    assert read(arrived) == 0x22
    assert first.boots(guest["id"]) == 0, "what its console said goes with it"
    api("startVirtualMachine", id=guest["id"])
    until(lambda: first.boots(guest["id"]) > 0, "the guest boots from where its disk is now")
    tool("qemu-img", "check", "-U", "-q", str(arrived))


def test_nothing_is_left(first: First, guest: Any) -> None:
    first.api("destroyVirtualMachine", id=guest["id"], expunge=True)
    for folder in ("pool", "other"):
        assert not list((first.server.home / folder).glob("*.qcow2"))
    assert not list((first.server.home / "pool" / "snapshots").iterdir())
