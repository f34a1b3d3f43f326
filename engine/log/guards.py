"""Who relied on what: an end of a stream must be decided with knowledge of all that rests on it.

A unit that makes a pod names the zone's version without writing to the zone (a guard), so two pods
never disturb each other. A unit that removes the zone must have seen every such pod: it is refused
if somebody guarded the zone behind the position at which the removal was decided. It is the same
with limits: two controllers that each saw room for one must not both take it.

What this process wrote is known here; what others wrote is in the store's marks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from uuid import UUID

from engine.log.store import Mark
from engine.log.unit import Unit

KNOWN_GUARDS = 65_536


class Guards:
    def __init__(self) -> None:
        self._last: OrderedDict[UUID, int] = OrderedDict()
        self._floor = 0

    def note(self, unit: Unit, position: int) -> None:
        """`unit` is about to be written behind `position`."""
        for append in unit.appends:
            if not append.events:
                self._last[append.stream] = position + 1
                self._last.move_to_end(append.stream)
        while len(self._last) > KNOWN_GUARDS:
            _, forgotten = self._last.popitem(last=False)
            self._floor = max(self._floor, forgotten)

    def forget(self, position: int) -> None:
        """Something unknown was written up to `position`: anything may rest on anything since."""
        self._last.clear()
        self._floor = position

    def offended(self, unit: Unit) -> UUID | None:
        """A stream that `unit` ends without having seen what rests on it."""
        for stream in unit.ends():
            if self._last.get(stream, self._floor) > unit.decided_at:
                return stream
        return None


def overtaken(unit: Unit, marks: Sequence[Mark], writer: UUID) -> UUID | None:
    """A stream on which others came to rest, or drew, since `unit` was decided."""
    if not marks:
        return None
    ends, draws = set(unit.ends()), set(unit.draws)
    for mark in marks:
        theirs = mark.stream in draws and mark.writer != writer
        if mark.position > unit.decided_at and (mark.stream in ends or theirs):
            return mark.stream
    return None
