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


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachVolume:
    """Without a device the lowest free slot is taken; 0 is the root disk's, 3 the CD-ROM's."""

    volume_id: UUID
    vm_id: UUID
    device: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DetachVolume:
    volume_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ResizeVolume:
    volume_id: UUID
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteVolume:
    volume_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateVolume:
    volume_id: UUID
    name: str | None = None
    is_displayed: bool | None = None


ending("volume", lambda volume: DeleteVolume(volume_id=volume.id))
