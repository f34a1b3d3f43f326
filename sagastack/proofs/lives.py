"""Whether every stream of a log is the life of one thing."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import AGGREGATES, Recorded


class Lives:
    """Each stream is begun once, is of one kind, and is silent after its end.

    Ledgers (of capacity, an address, a name) are no things: they begin with any of their events.
    """

    def __init__(self) -> None:
        self._kinds: dict[UUID, str] = {}
        self._ended: set[UUID] = set()

    def fault(self, recorded: Recorded) -> str:
        """What is wrong with the next event of the log; empty if nothing is."""
        event, stream, trouble = recorded.event, recorded.stream, ""
        if stream in self._ended:
            trouble = "comes after the end of its stream"
        elif self._kinds.setdefault(stream, event.KIND) != event.KIND:
            trouble = f"is in the stream of a {self._kinds[stream]}"
        elif (event.CREATES is not None) != (recorded.version == 1) and event.KIND in AGGREGATES:
            trouble = f"is at version {recorded.version} of its stream"
        if event.REMOVES:
            self._ended.add(stream)
        return f"position {recorded.position}: {recorded.topic} {trouble}" if trouble else ""
