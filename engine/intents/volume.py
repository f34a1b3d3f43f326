"""What may be asked of a volume. Sizes are in bytes."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from engine.intents.ending import ending


class CreateVolume(Struct, frozen=True, kw_only=True):
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


class CopySnapshot(Struct, frozen=True, kw_only=True):
    """Make the volume out of its snapshot, in a pool that some host reaches beside it."""

    create: CreateVolume


class Offering(Struct, frozen=True, kw_only=True):
    """A disk offering with the numbers that it leaves open."""

    offering_id: UUID
    min_iops: int | None = None
    max_iops: int | None = None


class AttachVolume(Struct, frozen=True, kw_only=True):
    """Without a device the lowest free slot is taken; 0 is the root disk's, 3 the CD-ROM's.

    With `create` the volume is made first, and nothing is left of it if it cannot be attached.
    """

    volume_id: UUID
    vm_id: UUID
    device: int | None = None
    create: CreateVolume | None = None


class DetachVolume(Struct, frozen=True, kw_only=True):
    volume_id: UUID


class ResizeVolume(Struct, frozen=True, kw_only=True):
    """An `offering` is what it shall be of, once it has grown."""

    volume_id: UUID
    size_bytes: int
    offering: Offering | None = None


class MigrateVolume(Struct, frozen=True, kw_only=True):
    """To another pool; while its guest runs only if `live` says so."""

    volume_id: UUID
    pool_id: UUID
    live: bool = False
    offering: Offering | None = None


class DestroyVolume(Struct, frozen=True, kw_only=True):
    """It can be recovered until the delay of `expunge.delay` is over."""

    volume_id: UUID


class RecoverVolume(Struct, frozen=True, kw_only=True):
    volume_id: UUID


class AssignVolume(Struct, frozen=True, kw_only=True):
    """Give a detached volume to another account; its snapshots stay whose they are."""

    volume_id: UUID
    account_id: UUID
    domain_id: UUID


class DeleteVolume(Struct, frozen=True, kw_only=True):
    """Destroyed before or not. `with_owner` takes its protection for nothing."""

    volume_id: UUID
    with_owner: bool = False


class UpdateVolume(Struct, frozen=True, kw_only=True):
    volume_id: UUID
    name: str | None = None
    is_displayed: bool | None = None
    is_protected: bool | None = None


ending("volume", lambda volume: DeleteVolume(volume_id=volume.id, with_owner=True))
