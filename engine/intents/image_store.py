"""What may be asked about image stores."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveImageStore:
    """Forget a store; refused while images lie in it."""

    store_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyImageStore:
    """Move the images of a store into others of its zone: all, or those that are named."""

    store_id: UUID
    into_ids: list[UUID]
    image_ids: list[UUID] | None = None
