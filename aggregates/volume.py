"""A volume: a disk that somebody owns, and where it is. Sizes are in bytes."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

import msgspec

from aggregates.base import Aggregate, Event, aggregate, event
from aggregates.errors import InUse, Invalid, NotAllowed


class VolumeState(StrEnum):
    """Allocated: promised, on no pool yet. Ready: on a pool. The others are a job's doing."""

    ALLOCATED = "Allocated"
    CREATING = "Creating"
    READY = "Ready"
    ATTACHING = "Attaching"
    RESIZING = "Resizing"
    EXPUNGING = "Expunging"


@aggregate("volume")
class Volume(Aggregate):
    """`device` is its slot in the guest: 0 is the root disk. `path` is the pool's name for it.

    `growing_to_bytes` is what a job is about to make of it: its owner is charged with that already.
    """

    name: str
    account_id: UUID
    domain_id: UUID
    zone_id: UUID
    kind: str
    size_bytes: int
    offering_id: UUID | None = None
    template_id: UUID | None = None
    vm_id: UUID | None = None
    device: int | None = None
    attached_at_ms: int = 0
    state: VolumeState = VolumeState.ALLOCATED
    pool_id: UUID | None = None
    path: str = ""
    is_displayed: bool = True
    holds: list[UUID] = msgspec.field(default_factory=list)
    job_id: UUID | None = None
    growing_to_bytes: int = 0

    @property
    def at_rest(self) -> VolumeState:
        """The state that a job leaves it in."""
        return VolumeState.READY if self.pool_id else VolumeState.ALLOCATED

    def begin(self, doing: VolumeState, job_id: UUID) -> VolumeBusy:
        """Let one job have the volume to itself."""
        if self.state not in (VolumeState.ALLOCATED, VolumeState.READY):
            raise NotAllowed(
                f"volume {self.name} is {self.state} by job {self.job_id}: wait for it or cancel it"
            )
        return VolumeBusy(doing=doing, job_id=job_id)

    def detachable(self) -> None:
        if self.vm_id is None:
            raise NotAllowed(f"volume {self.name} is not attached to a virtual machine")
        if self.kind == "ROOT":
            raise NotAllowed(f"volume {self.name} is the root disk of its virtual machine")

    def attachable(self) -> None:
        if self.vm_id is not None:
            raise InUse(f"volume {self.name} is attached to virtual machine {self.vm_id}")

    def grow(self, size_bytes: int) -> None:
        if size_bytes < self.size_bytes:
            raise Invalid(
                f"volume {self.name} has {self.size_bytes} bytes: it cannot shrink", field="size"
            )


@event("volume.created", creates=Volume)
class VolumeCreated(Event, frozen=True, kw_only=True):
    name: str
    account_id: UUID
    domain_id: UUID
    zone_id: UUID
    kind: str
    size_bytes: int
    offering_id: UUID | None
    template_id: UUID | None
    vm_id: UUID | None
    device: int | None
    is_displayed: bool


@event("volume.busy")
class VolumeBusy(Event, frozen=True, kw_only=True):
    """A job began to work on it."""

    doing: VolumeState
    job_id: UUID

    def apply(self, row: Volume, at_ms: int) -> None:
        row.state, row.job_id = self.doing, self.job_id


@event("volume.growing")
class VolumeGrowing(Event, frozen=True, kw_only=True):
    """A job is about to make it this large."""

    size_bytes: int

    def apply(self, row: Volume, at_ms: int) -> None:
        row.growing_to_bytes = self.size_bytes


@event("volume.idle")
class VolumeIdle(Event, frozen=True, kw_only=True):
    """The job gave up; the volume is what it was before."""

    def apply(self, row: Volume, at_ms: int) -> None:
        row.state, row.job_id, row.growing_to_bytes = row.at_rest, None, 0


@event("volume.ready")
class VolumeReady(Event, frozen=True, kw_only=True):
    """It is on a pool with `size_bytes` for the guest to see; `hold` is its room there."""

    pool_id: UUID
    path: str
    size_bytes: int
    hold: UUID

    def apply(self, row: Volume, at_ms: int) -> None:
        row.pool_id, row.path, row.size_bytes = self.pool_id, self.path, self.size_bytes
        row.holds = [*row.holds, self.hold]
        row.state, row.job_id = VolumeState.READY, None


@event("volume.resized")
class VolumeResized(Event, frozen=True, kw_only=True):
    """It has grown; `hold` is the further room that it holds."""

    size_bytes: int
    hold: UUID | None

    def apply(self, row: Volume, at_ms: int) -> None:
        row.size_bytes, row.growing_to_bytes = self.size_bytes, 0
        row.state, row.job_id = row.at_rest, None
        if self.hold is not None:
            row.holds = [*row.holds, self.hold]


@event("volume.attached")
class VolumeAttached(Event, frozen=True, kw_only=True):
    vm_id: UUID
    device: int

    def apply(self, row: Volume, at_ms: int) -> None:
        row.vm_id, row.device, row.attached_at_ms = self.vm_id, self.device, at_ms
        row.state, row.job_id = row.at_rest, None


@event("volume.detached")
class VolumeDetached(Event, frozen=True, kw_only=True):
    def apply(self, row: Volume, at_ms: int) -> None:
        row.vm_id, row.device, row.attached_at_ms = None, None, 0
        row.state, row.job_id = row.at_rest, None


@event("volume.updated")
class VolumeUpdated(Event, frozen=True, kw_only=True):
    name: str
    is_displayed: bool


@event("volume.removed", removes=True)
class VolumeRemoved(Event, frozen=True, kw_only=True):
    pass


@event("volume.assigned")
class VolumeAssigned(Event, frozen=True, kw_only=True):
    """It belongs to another account."""

    account_id: UUID
    domain_id: UUID
