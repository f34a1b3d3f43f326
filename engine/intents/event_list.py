"""What may be asked of the list of events."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct


class PutEventsAway(Struct, frozen=True, kw_only=True):
    """Archive entries, or show them no more. `id` is the stream of this one fact."""

    id: UUID
    positions: tuple[int, ...]
    deleted: bool = False
