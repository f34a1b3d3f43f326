"""What a machine without a hypervisor cannot do, and why: said before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_ALIVE = "a guest is a whole machine, and its hardware does not change while it runs"
_SNAPSHOT = "the disks are the machine's own, and nothing stands between them and their guest"
_STRANGE = "what runs on a machine cannot be looked into from outside"
_LEAVE = "a disk does not leave its machine: copy what is on it from within its guest"

CANNOT: Mapping[str, str] = MappingProxyType(
    {
        "migrate_guest": "a guest is a machine, and does not move to another",
        "grow_guest": _ALIVE,
        "snapshot_guest": _SNAPSHOT,
        "revert_guest": _SNAPSHOT,
        "forget_snapshot": _SNAPSHOT,
        "attach_disk": _ALIVE,
        "detach_disk": _ALIVE,
        "limit_disk": "nothing stands between a guest and its disks that could slow it down",
        "attach_nic": _ALIVE,
        "detach_nic": _ALIVE,
        "survey_strangers": _STRANGE,
        "adopt_guest": _STRANGE,
        "disown_guest": _STRANGE,
        "run_hook": "a machine belongs to its guest, and nobody signs in there",
        "snapshot_disk": _SNAPSHOT,
        "remove_snapshot": _SNAPSHOT,
        "revert_disk": _SNAPSHOT,
        "copy_disk": _LEAVE,
        "move_disk": _LEAVE,
        "export_disk": _LEAVE,
        "adopt_disk": _STRANGE,
        "disown_disk": _STRANGE,
        "live_migration": "a guest is a machine, and does not move to another",
        "storage_migration": "a guest is a machine, and does not move to another",
        "disk_hot_plug": _ALIVE,
        "nic_hot_plug": _ALIVE,
        "guest_growth": _ALIVE,
        "adoption": _STRANGE,
        "guest_snapshots": _SNAPSHOT,
        "disk_snapshots_alive": _SNAPSHOT,
        "snapshots": _SNAPSHOT,
        "live_disk_move": _LEAVE,
        "iso": "a machine has no drive that a disc could be put into",
        "disk_limits": "nothing stands between a guest and its disks that could slow it down",
        "secure_boot": "a machine's own firmware decides on that (bios= in its URL)",
    }
)
