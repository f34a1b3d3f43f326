"""Jobs and the list of events, each folded of the end of a long past alone.

Only the latest jobs that are over and the latest entries are kept, so most of what a long past says
of either would be decoded and folded to be forgotten. Behind a cut lies as much as is kept. Of what
lies before it, only jobs that were not over there matter: these are found by the ids of all that
began and ended, and are read as streams.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile
from typing import NamedTuple
from uuid import UUID

from aggregates.base import Recorded
from aggregates.event_list import EventsArchived, EventsDeleted
from aggregates.saga import SagaFailed, SagaStarted, SagaSucceeded
from engine.log import Log
from engine.log.unit import Outline, Selection
from projections import event_list, saga
from projections.cloud import Cloud

RUNS, ENTRIES = "table:saga", "fold:EventList"
JOBS = frozenset({RUNS, ENTRIES})
# So much of the end is looked at to know how far back to go, and a little further.
LOOKED, MARGIN = 16_000, 1.05
OUTLINED = 50_000
_BEGUN, _OVER = SagaStarted.TOPIC, (SagaSucceeded.TOPIC, SagaFailed.TOPIC)
# What is said of entries, however old they are.
_PUT_AWAY = (EventsArchived.TOPIC, EventsDeleted.TOPIC)


async def jobs_until(log: Log, until: int) -> tuple[Cloud, Cloud]:
    """The jobs at a position, and the list of events there: each in a cloud that is not settled
    yet and has nothing else."""
    seen = list[Recorded]()
    selected = Selection((_BEGUN, *_OVER), acted=True)
    await log.fold_past(seen.extend, after=max(0, until - LOOKED), until=until, selected=selected)
    runs = _End({RUNS}, False, saga.KEPT_FINISHED, lambda: _is_over)
    entries = _End({ENTRIES}, True, event_list.KEPT, _entries)
    outlined = _Outlined(log)
    return (
        await runs.folded(log, outlined, until, seen),
        await entries.folded(log, outlined, until, seen),
    )


def _is_over(one: Recorded) -> bool:
    return one.event.TOPIC in _OVER


def _entries() -> Callable[[Recorded], int]:
    """How many entries an event makes for certain, whatever was before the first that is told."""
    begun = set[int]()  # a number is hashed and compared in C, an id is not

    def count(one: Recorded) -> int:
        if event_list.lists(one):
            if one.event.TOPIC == _BEGUN:
                begun.add(one.stream.int)
            return 1
        return one.event.TOPIC in _OVER and one.stream.int in begun

    return count


class _End(NamedTuple):
    """What is folded of the end of a past: these parts, with `wanted` of what `counter` counts.

    How far back that is follows from how much there was of late; if it is not far enough, twice as
    far is tried.
    """

    parts: set[str]
    acted: bool
    wanted: int
    counter: Callable[[], Callable[[Recorded], int]]

    async def folded(
        self, log: Log, outlined: _Outlined, until: int, seen: Sequence[Recorded]
    ) -> Cloud:
        """That of a past up to a position, of which `seen` was read of the last stretch."""
        of_late = sum(map(self.counter(), seen))
        stretches = MARGIN * self.wanted / of_late if of_late else 2
        length = min(until, math.ceil(stretches * LOOKED))
        while True:
            cloud, found = await self._fold(log, outlined, until - length, until)
            if found >= self.wanted or length == until:
                return cloud
            length = min(until, 2 * length)

    async def _fold(self, log: Log, outlined: _Outlined, cut: int, until: int) -> tuple[Cloud, int]:
        """Fold what has to be known of what lies up to a cut, and all that lies behind it."""
        cloud, count, found = Cloud().defer(self.parts), self.counter(), 0
        topics = cloud.topics
        cloud.fold([one for one in await outlined.known(cut) if one.topic in topics])
        selected = Selection(tuple(sorted(topics)), self.acted)

        def fold(batch: Sequence[Recorded]) -> None:
            nonlocal found
            cloud.fold(batch)
            found += sum(map(count, batch))

        await log.fold_past(fold, after=cut, until=until, selected=selected)
        return cloud, found


class _Outlined:
    """What ids alone tell of jobs and of what was put away, read no further than was asked for."""

    def __init__(self, log: Log) -> None:
        self._log, self._rows, self._end = log, list[Outline](), 0

    async def known(self, cut: int) -> list[Recorded]:
        """What still matters of what lies up to a cut, in its order."""
        topics = (_BEGUN, *_OVER, *_PUT_AWAY)
        while self._end < cut:
            end = min(self._end + OUTLINED, cut)
            self._rows += await self._log.outline(topics, self._end, end)
            self._end = end
        going, put_away = dict[int, UUID](), list[int]()
        for position, stream, topic in takewhile(lambda row: row.position <= cut, self._rows):
            if topic == _BEGUN:
                going[stream.int] = stream
            elif topic in _OVER:
                going.pop(stream.int, None)
            else:
                put_away.append(position)
        return await self._read(cut, going.values(), put_away)

    async def _read(
        self, cut: int, going: Iterable[UUID], put_away: Iterable[int]
    ) -> list[Recorded]:
        log, found = self._log, list[Recorded]()
        for stream in going:
            found += [one for one in await log.read_stream(stream) if one.position <= cut]
        for position in put_away:
            found += [one async for some in log.read(position - 1, until=position) for one in some]
        return sorted(found, key=lambda one: one.position)
