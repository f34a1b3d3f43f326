"""What may be asked about volumes that come from outside."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct, field


class UploadVolume(Struct, frozen=True, kw_only=True):
    """Get an image from `url` and make a data disk of it; it comes onto a pool when attached.

    `trusted` and `sites` are those of RegisterTemplate.
    """

    volume_id: UUID
    account_id: UUID
    domain_id: UUID
    zone_id: UUID
    name: str
    image_format: str
    url: str = ""
    checksum: str = ""
    offering_id: UUID | None = None
    trusted: bool = False
    sites: list[str] = field(default_factory=list)
    bytes_max: int | None = None


class DropUploadedImage(Struct, frozen=True, kw_only=True):
    """Remove the image of a volume that has a disk of its own by now."""

    volume_id: UUID
