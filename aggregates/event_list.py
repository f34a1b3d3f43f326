"""What was put away from the list of events. The log has it all the same, and always will."""

from __future__ import annotations

from aggregates.base import Event, event


@event("event_list.archived")
class EventsArchived(Event, frozen=True, kw_only=True):
    """Entries by their positions in the log: shown only to those who ask for what was archived."""

    positions: list[int]


@event("event_list.deleted")
class EventsDeleted(Event, frozen=True, kw_only=True):
    """Entries by their positions in the log: shown no more."""

    positions: list[int]
