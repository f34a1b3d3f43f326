"""What may be asked of the list of events."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PutEventsAway:
    """Archive entries, or show them no more. `id` is the stream of this one fact."""

    id: UUID
    positions: tuple[int, ...]
    deleted: bool = False
