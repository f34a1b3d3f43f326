"""Whose an event is: of the account that owns its stream at that moment, known from the log alone.

A stream is owned by the account that its events name (`account_id`), or else by the owner of what
it hangs on by a declared reference (an API key on its user). Ledgers, hosts and whatever else has
no owner are nobody's. When a thing is handed over, the event that says so is the new owner's.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aggregates.base import Recorded
from aggregates.record import RECORDS


class Owners:
    """Follows the log from its beginning."""

    def __init__(self) -> None:
        self._owners: dict[UUID, UUID] = {}

    def owner(self, recorded: Recorded) -> UUID | None:
        """Whose the next event of the log is."""
        stream, event = recorded.stream, recorded.event
        if event.KIND == "account":
            return stream
        named = gives(event)
        if named is None and stream not in self._owners:
            named = self._through(event)
        if named is not None:
            self._owners[stream] = named
        found = self._owners.get(stream)
        if event.REMOVES:
            self._owners.pop(stream, None)
        return found

    def _through(self, event: Any) -> UUID | None:
        """The owner of the first owned thing that a data noun rests on."""
        spec = RECORDS.get(event.KIND)
        if spec is None or event.CREATES is None:
            return None
        for name, kind in spec.references.items():
            rests_on = getattr(event, name, None)
            if kind == "account" and isinstance(rests_on, UUID):
                return rests_on
            if isinstance(rests_on, UUID) and rests_on in self._owners:
                return self._owners[rests_on]
        return None


def gives(event: Any) -> UUID | None:
    """The account that an event itself gives its stream to."""
    found = getattr(event, "account_id", None)
    if found is None:
        changed = getattr(event, "changed", None)
        found = changed.get("account_id") if isinstance(changed, dict) else None
    if isinstance(found, str):
        return UUID(found)
    return found if isinstance(found, UUID) else None
