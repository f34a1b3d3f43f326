"""A snapshot: what a volume held at one moment, kept apart from it. Sizes are in bytes."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from aggregates.base import Aggregate, Event, aggregate, event
from aggregates.errors import Busy

MANUAL = "MANUAL"


class SnapshotState(StrEnum):
    """BackedUp: it is whole, and stands alone. The others are a job's doing."""

    CREATING = "Creating"
    BACKED_UP = "BackedUp"
    REVERTING = "Reverting"
    COPYING = "Copying"
    DESTROYING = "Destroying"


@aggregate("snapshot")
class Snapshot(Aggregate):
    """`interval` is MANUAL, or for a policy's run HOURLY, DAILY, WEEKLY or MONTHLY.

    `volume_name` and `volume_kind` stay when the volume is gone. `hold` is its room in its pool.
    """

    name: str
    account_id: UUID
    domain_id: UUID
    zone_id: UUID
    volume_id: UUID
    volume_name: str
    volume_kind: str
    size_bytes: int
    hypervisor: str
    template_id: UUID | None
    pool_id: UUID
    hold: UUID
    interval: str = MANUAL
    policy_id: UUID | None = None
    state: SnapshotState = SnapshotState.CREATING
    path: str = ""
    used_bytes: int = 0
    job_id: UUID | None = None

    @property
    def is_whole(self) -> bool:
        return self.state not in (SnapshotState.CREATING, SnapshotState.DESTROYING)

    def begin(self, doing: SnapshotState, job_id: UUID) -> SnapshotBusy:
        """Let one job have the snapshot to itself."""
        self.usable()
        return SnapshotBusy(doing=doing, job_id=job_id)

    def usable(self) -> None:
        """Refuse while it is not whole, or a job has it."""
        if self.state is not SnapshotState.BACKED_UP:
            raise Busy(f"snapshot {self.name}", self.state, self.job_id)


@event("snapshot.created", creates=Snapshot)
class SnapshotCreated(Event, frozen=True, kw_only=True):
    name: str
    account_id: UUID
    domain_id: UUID
    zone_id: UUID
    volume_id: UUID
    volume_name: str
    volume_kind: str
    size_bytes: int
    hypervisor: str
    template_id: UUID | None
    pool_id: UUID
    hold: UUID
    interval: str
    policy_id: UUID | None
    job_id: UUID | None


@event("snapshot.busy")
class SnapshotBusy(Event, frozen=True, kw_only=True):
    """A job began to work on it."""

    doing: SnapshotState
    job_id: UUID

    def apply(self, row: Snapshot, at_ms: int) -> None:
        row.state, row.job_id = self.doing, self.job_id


@event("snapshot.idle")
class SnapshotIdle(Event, frozen=True, kw_only=True):
    """The job is over; the snapshot is as whole as it was."""

    def apply(self, row: Snapshot, at_ms: int) -> None:
        row.state, row.job_id = SnapshotState.BACKED_UP, None


@event("snapshot.kept")
class SnapshotKept(Event, frozen=True, kw_only=True):
    """It is whole: `size_bytes` is what a guest would see, `used_bytes` what it takes."""

    path: str
    size_bytes: int
    used_bytes: int

    def apply(self, row: Snapshot, at_ms: int) -> None:
        row.path, row.size_bytes, row.used_bytes = self.path, self.size_bytes, self.used_bytes
        row.state, row.job_id = SnapshotState.BACKED_UP, None


@event("snapshot.removed", removes=True)
class SnapshotRemoved(Event, frozen=True, kw_only=True):
    pass
