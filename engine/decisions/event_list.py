"""Putting entries of the event list away is itself a fact; nothing leaves the log."""

from __future__ import annotations

from aggregates.event_list import EventsArchived, EventsDeleted
from engine.decide import Desk, decision
from engine.intents.event_list import PutEventsAway


@decision
def put_away(ask: PutEventsAway, desk: Desk) -> None:
    told = EventsDeleted if ask.deleted else EventsArchived
    if ask.positions:
        desk.draft.append(ask.id, 0, told(positions=list(ask.positions)))
