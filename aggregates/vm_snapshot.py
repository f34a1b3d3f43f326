"""A snapshot of a whole guest: its disks at one moment, and its memory if that was asked for.

The snapshots of a guest are a tree: each began from the one that was current when it was made.
"""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

import msgspec

from aggregates.base import Aggregate, Event, aggregate, event
from aggregates.errors import Busy


class VmSnapshotState(StrEnum):
    CREATING = "Creating"
    READY = "Ready"
    REVERTING = "Reverting"
    EXPUNGING = "Expunging"


class VmSnapshotKind(StrEnum):
    """With memory it can be returned to while the guest runs, without it while the guest is off."""

    DISK = "Disk"
    DISK_AND_MEMORY = "DiskAndMemory"


@aggregate("vm_snapshot")
class VmSnapshot(Aggregate):
    """`volume_ids` are the disks that it holds; `is_current` marks what the guest came from."""

    name: str
    display_name: str
    description: str
    vm_id: UUID
    account_id: UUID
    domain_id: UUID
    zone_id: UUID
    kind: VmSnapshotKind
    parent_id: UUID | None = None
    is_current: bool = False
    volume_ids: list[UUID] = msgspec.field(default_factory=list)
    state: VmSnapshotState = VmSnapshotState.CREATING
    job_id: UUID | None = None

    def begin(self, doing: VmSnapshotState, job_id: UUID) -> VmSnapshotBusy:
        """Let one job work on it."""
        if self.state is not VmSnapshotState.READY:
            raise Busy(f"VM snapshot {self.display_name}", self.state, self.job_id)
        return VmSnapshotBusy(doing=doing, job_id=job_id)


@event("vm_snapshot.created", creates=VmSnapshot)
class VmSnapshotCreated(Event, frozen=True, kw_only=True):
    name: str
    display_name: str
    description: str
    vm_id: UUID
    account_id: UUID
    domain_id: UUID
    zone_id: UUID
    kind: VmSnapshotKind
    parent_id: UUID | None
    volume_ids: list[UUID]
    job_id: UUID | None


@event("vm_snapshot.busy")
class VmSnapshotBusy(Event, frozen=True, kw_only=True):
    """A job reverts to it, or removes it."""

    doing: VmSnapshotState
    job_id: UUID

    def apply(self, row: VmSnapshot, at_ms: int) -> None:
        row.state, row.job_id = self.doing, self.job_id


@event("vm_snapshot.ready")
class VmSnapshotReady(Event, frozen=True, kw_only=True):
    """No job works on it, and it can be returned to."""

    def apply(self, row: VmSnapshot, at_ms: int) -> None:
        row.state, row.job_id = VmSnapshotState.READY, None


@event("vm_snapshot.placed")
class VmSnapshotPlaced(Event, frozen=True, kw_only=True):
    """Where it is in the tree now, and whether the guest goes on from it."""

    parent_id: UUID | None
    is_current: bool


@event("vm_snapshot.removed", removes=True)
class VmSnapshotRemoved(Event, frozen=True, kw_only=True):
    pass
