"""What may be asked of a volume. Sizes are in bytes."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from engine.intents.ending import ending


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateVolume:
    """A blank data disk; it comes onto a pool when it is first attached."""

    volume_id: UUID
    account_id: UUID
    domain_id: UUID
    zone_id: UUID
    name: str
    size_bytes: int
    offering_id: UUID | None = None
    is_displayed: bool = True
    snapshot_id: UUID | None = None
    min_iops: int | None = None
    max_iops: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySnapshot:
    """Make the volume out of its snapshot, in a pool that some host reaches beside it."""

    create: CreateVolume


@dataclass(frozen=True, slots=True, kw_only=True)
class Offering:
    """A disk offering with the numbers that it leaves open."""

    offering_id: UUID
    min_iops: int | None = None
    max_iops: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachVolume:
    """Without a device the lowest free slot is taken; 0 is the root disk's, 3 the CD-ROM's.

    With `create` the volume is made first, and nothing is left of it if it cannot be attached.
    """

    volume_id: UUID
    vm_id: UUID
    device: int | None = None
    create: CreateVolume | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DetachVolume:
    volume_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ResizeVolume:
    """An `offering` is what it shall be of, once it has grown."""

    volume_id: UUID
    size_bytes: int
    offering: Offering | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrateVolume:
    """To another pool; while its guest runs only if `live` says so."""

    volume_id: UUID
    pool_id: UUID
    live: bool = False
    offering: Offering | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DestroyVolume:
    """It can be recovered until the delay of `expunge.delay` is over."""

    volume_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverVolume:
    volume_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignVolume:
    """Give a detached volume to another account; its snapshots stay whose they are."""

    volume_id: UUID
    account_id: UUID
    domain_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteVolume:
    """Destroyed before or not. `with_owner` takes its protection for nothing."""

    volume_id: UUID
    with_owner: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateVolume:
    volume_id: UUID
    name: str | None = None
    is_displayed: bool | None = None
    is_protected: bool | None = None


ending("volume", lambda volume: DeleteVolume(volume_id=volume.id, with_owner=True))
