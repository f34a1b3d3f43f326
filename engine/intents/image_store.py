"""What may be asked about image stores."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct


class RemoveImageStore(Struct, frozen=True, kw_only=True):
    """Forget a store; refused while images lie in it."""

    store_id: UUID


class EmptyImageStore(Struct, frozen=True, kw_only=True):
    """Move the images of a store into others of its zone: all, or those that are named."""

    store_id: UUID
    into_ids: list[UUID]
    image_ids: list[UUID] | None = None
