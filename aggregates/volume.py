"""A volume: a disk that somebody owns, and where it is. Sizes are in bytes."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

import msgspec

from aggregates.base import Aggregate, Event, aggregate, event
from aggregates.errors import Busy, InUse, Invalid, NotAllowed


class VolumeState(StrEnum):
    """Allocated: promised, on no pool yet. Ready: on a pool. Uploaded: its image is here, and it is
    on no pool yet. Destroy: can be recovered for a while. The others are a job's doing, or an
    upload that is awaited or went wrong.
    """

    ALLOCATED = "Allocated"
    CREATING = "Creating"
    READY = "Ready"
    ATTACHING = "Attaching"
    RESIZING = "Resizing"
    SNAPSHOTTING = "Snapshotting"
    REVERTING = "RevertSnapshotting"
    MIGRATING = "Migrating"
    COPYING = "Copying"
    AWAITED = "NotUploaded"
    UPLOADING = "UploadOp"
    UPLOADED = "Uploaded"
    UPLOAD_ERROR = "UploadError"
    DESTROY = "Destroy"
    EXPUNGING = "Expunging"


@aggregate("volume")
class Volume(Aggregate):
    """`device` is its slot in the guest: 0 is the root disk. `path` is the pool's name for it.

    `part` is which disk of its template it is made of, for an appliance may have several.
    `growing_to_bytes` is what a job is about to make of it: its owner is charged with that already.
    `snapshot_id` is what it was made from, and `upload_path` the image that it shall be made of.
    What a custom offering leaves open is said by `min_iops` and `max_iops`, operations a second.
    `destroyed_at_ms` is 0 for one that is not destroyed.
    """

    name: str
    account_id: UUID
    domain_id: UUID
    zone_id: UUID
    kind: str
    size_bytes: int
    offering_id: UUID | None = None
    template_id: UUID | None = None
    part: int = 0
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
    snapshot_id: UUID | None = None
    min_iops: int | None = None
    max_iops: int | None = None
    is_protected: bool = False
    destroyed_at_ms: int = 0
    upload_path: str = ""
    upload_format: str = ""
    upload_error: str = ""

    @property
    def at_rest(self) -> VolumeState:
        """The state that a job leaves it in."""
        if self.destroyed_at_ms:
            return VolumeState.DESTROY
        if self.pool_id:
            return VolumeState.READY
        return VolumeState.UPLOADED if self.upload_path else VolumeState.ALLOCATED

    def begin(self, doing: VolumeState, job_id: UUID) -> VolumeBusy:
        """Let one job have the volume to itself."""
        self.free()
        self.living()
        return VolumeBusy(doing=doing, job_id=job_id)

    def free(self) -> None:
        """Refuse while a job has it."""
        if self.job_id is not None:
            raise Busy(f"volume {self.name}", self.state, self.job_id)

    def living(self) -> None:
        if self.state is VolumeState.DESTROY:
            raise NotAllowed(f"volume {self.name} is destroyed: recover it first")
        if self.state in (VolumeState.AWAITED, VolumeState.UPLOAD_ERROR):
            why = f": {self.upload_error}" if self.upload_error else ""
            raise NotAllowed(f"volume {self.name} is {self.state}{why}; delete it, or upload it")

    def expunge(self, job_id: UUID) -> VolumeBusy:
        """Let a job end it, destroyed before or not."""
        self.free()
        self.unprotected()
        self.attachable()
        return VolumeBusy(doing=VolumeState.EXPUNGING, job_id=job_id)

    def destroy(self) -> VolumeDestroyed:
        self.free()
        self.living()
        self.unprotected()
        self.attachable()
        return VolumeDestroyed()

    def recover(self) -> VolumeRecovered:
        self.free()
        if self.state is not VolumeState.DESTROY:
            raise NotAllowed(
                f"volume {self.name} is {self.state}: only a destroyed one is recovered"
            )
        return VolumeRecovered()

    def unprotected(self) -> None:
        if self.is_protected:
            raise NotAllowed(f"volume {self.name} is protected: set deleteprotection=false first")

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
    snapshot_id: UUID | None = None
    min_iops: int | None = None
    max_iops: int | None = None
    part: int = 0


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


@event("volume.moved")
class VolumeMoved(Event, frozen=True, kw_only=True):
    """It is in another pool now, and holds room there alone."""

    pool_id: UUID
    path: str
    hold: UUID

    def apply(self, row: Volume, at_ms: int) -> None:
        row.pool_id, row.path, row.holds = self.pool_id, self.path, [self.hold]
        row.state, row.job_id = row.at_rest, None


@event("volume.reoffered")
class VolumeReoffered(Event, frozen=True, kw_only=True):
    """It is of another offering, or of other numbers of the same."""

    offering_id: UUID | None
    min_iops: int | None
    max_iops: int | None


@event("volume.destroyed")
class VolumeDestroyed(Event, frozen=True, kw_only=True):
    """Nobody uses it any more; for a while it can be recovered."""

    def apply(self, row: Volume, at_ms: int) -> None:
        row.state, row.destroyed_at_ms = VolumeState.DESTROY, at_ms


@event("volume.recovered")
class VolumeRecovered(Event, frozen=True, kw_only=True):
    def apply(self, row: Volume, at_ms: int) -> None:
        row.destroyed_at_ms = 0
        row.state = row.at_rest


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


@event("volume.kind_set")
class VolumeKindSet(Event, frozen=True, kw_only=True):
    """It serves as a guest's root disk from here on, or no longer."""

    kind: str


@event("volume.updated")
class VolumeUpdated(Event, frozen=True, kw_only=True):
    name: str
    is_displayed: bool
    is_protected: bool = False


@event("volume.removed", removes=True)
class VolumeRemoved(Event, frozen=True, kw_only=True):
    pass


@event("volume.assigned")
class VolumeAssigned(Event, frozen=True, kw_only=True):
    """It belongs to another account."""

    account_id: UUID
    domain_id: UUID
