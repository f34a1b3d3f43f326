"""Pure: how the controller's ids are kept on Proxmox VE, as tags, and what its configurations say.

A VM here is a guest, or carries one disk or one snapshot of a disk and never runs: Proxmox VE has
no disk without a VM, names disks after their VM and removes them with it. A guest refers to the
disks of such carriers, and so leaves them behind when it is removed.

The number of each VM follows from what it is, so that of two controllers that make the same thing
the second is told that the VM exists. Clones inherit all tags; a tag therefore counts only on a VM
whose number is one of its own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

FIRST_VMID, VMIDS = 100_000_000, 899_999_999
TRIES = 4
OURS = "sagastack"
GUEST, KEY, HOLDS, DISK, SNAPSHOT = "guest", "key", "holds", "disk", "snapshot"
LIMITS = {
    "total_iops": "iops",
    "read_iops": "iops_rd",
    "write_iops": "iops_wr",
    "read_bytes": "mbps_rd",
    "write_bytes": "mbps_wr",
}


@dataclass(frozen=True)
class Thing:
    """A guest, a disk or a snapshot. A disk that goes back is a new one, a generation later."""

    kind: str
    id: str
    storage: str = ""
    generation: int = 0

    @property
    def name(self) -> str:
        """Names are for people, and say what a VM is to become before it has its tags."""
        return f"{self.kind}-{self.id}"

    @property
    def tag(self) -> str:
        if self.kind == GUEST:
            return f"{OURS}.{GUEST}.{self.id}"
        return f"{OURS}.{self.kind}.{self.id}.{self.generation}.{self.storage.lower()}"

    @property
    def path(self) -> str:
        return f"{self.storage.lower()}/{self.id}"

    def vmids(self) -> list[int]:
        """Where it may be: the first, unless that number is somebody else's."""
        words = f"{self.kind} {self.id} {self.storage.lower()} {self.generation}"
        digests = (hashlib.sha256(f"{words} {one}".encode()).digest() for one in range(TRIES))
        return [FIRST_VMID + int.from_bytes(one[:8], "big") % VMIDS for one in digests]


@dataclass(frozen=True)
class Mark:
    """What the tags of a VM say. `holds` are its drives and cards, by their slots."""

    thing: Thing | None
    key: str | None
    holds: dict[str, Thing]

    @property
    def disks(self) -> list[str]:
        return [one.path for slot, one in self.holds.items() if slot.startswith("scsi")]


def tags(thing: Thing, key: str = "", holds: dict[str, Thing] | None = None) -> str:
    """Whatever else a person has tagged a VM of ours with does not survive a change."""
    told = [OURS, thing.tag]
    if key:
        told.append(f"{OURS}.{KEY}.{key}")
    for slot, one in (holds or {}).items():
        told.append(f"{OURS}.{HOLDS}.{slot}.{one.id}.{one.storage.lower()}")
    return ";".join(told)


def read(vm: dict[str, Any]) -> Mark:
    """What a VM of a listing is to us: nothing, if its number is not one of its own."""
    thing, key, holds = None, None, {}
    for tag in vm.get("tags", "").split(";"):
        ours, what, *rest = [*tag.split(".", 2), "", ""][:3]
        if ours != OURS:
            continue
        if what == GUEST:
            thing = Thing(GUEST, rest[0])
        elif what == KEY:
            key = rest[0]
        elif what in (DISK, SNAPSHOT):
            name, generation, storage = rest[0].split(".", 2)
            thing = Thing(what, name, storage, int(generation))
        elif what == HOLDS:
            slot, name, storage = rest[0].split(".", 2)
            holds[slot] = Thing(DISK, name, storage)
    if thing is None or int(vm["vmid"]) not in thing.vmids():
        return Mark(None, None, {})
    return Mark(thing, key, dict(sorted(holds.items())))


def drive(volume: str, disk: dict[str, Any], *, cdrom: bool = False) -> str:
    """A disk as a configuration says it."""
    if cdrom:
        return f"{volume},media=cdrom"
    words = [volume]
    if disk.get("cache") in ("none", "writeback", "writethrough"):
        words.append(f"cache={disk['cache']}")
    if disk.get("read_only"):
        words.append("ro=1")
    return ",".join([*words, *limits(disk.get("limits") or {})])


def limits(told: dict[str, int]) -> list[str]:
    """Bytes a second are megabytes there, with a fraction."""
    found = []
    for ours, theirs in LIMITS.items():
        if value := told.get(ours):
            shown = f"{value / 2**20:.6f}" if theirs.startswith("mbps") else str(value)
            found.append(f"{theirs}={shown}")
    return found


def limited(said: str, told: dict[str, int]) -> str:
    """The same disk with these limits and no others."""
    kept = [one for one in said.split(",") if one.split("=")[0] not in LIMITS.values()]
    return ",".join([*kept, *limits(told)])


def card(nic: dict[str, Any]) -> str:
    """A network card on a bridge, with its VLAN."""
    model = nic["model"] if nic["model"] in ("virtio", "e1000", "rtl8139", "vmxnet3") else "virtio"
    words = [f"{model}={nic['mac'].upper()}", f"bridge={nic['bridge'] or 'vmbr0'}"]
    return ",".join([*words, *([f"tag={nic['vlan']}"] if nic["vlan"] else [])])


def volume_of(said: str) -> str:
    """The volume of a drive, without what else is said of it."""
    return said.split(",")[0]
