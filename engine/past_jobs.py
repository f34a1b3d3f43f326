"""Jobs and the list of events, each folded of the end of a long past alone.

Only the latest jobs that are over and the latest entries are kept, so most of what a long past says
of either would be decoded and folded to be forgotten. Behind a cut lies as much as is kept; it is
found by going backward. Of what lies before it, only jobs that were not over there matter: these
are found by the ids of all that began and ended, and are read as streams.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from aggregates.base import Recorded
from aggregates.event_list import EventsArchived, EventsDeleted
from aggregates.saga import SagaFailed, SagaStarted, SagaSucceeded
from engine.log import Log
from engine.log.unit import Selection
from projections import event_list, saga
from projections.cloud import Cloud

RUNS, ENTRIES = "table:saga", "fold:EventList"
JOBS = frozenset({RUNS, ENTRIES})
PAGE = 4_000
OUTLINED = 50_000
_BEGUN, _OVER = SagaStarted.TOPIC, (SagaSucceeded.TOPIC, SagaFailed.TOPIC)
# What is said of entries, however old they are.
_PUT_AWAY = (EventsArchived.TOPIC, EventsDeleted.TOPIC)


class Before(NamedTuple):
    """What of a past up to a cut still matters behind it: the jobs that were not over there, and
    the positions of what put entries away."""

    going: list[UUID]
    put_away: list[int]


async def jobs_until(log: Log, until: int) -> tuple[Cloud, Cloud]:
    """The jobs at a position, and the list of events there: each in a cloud that is not settled
    yet and has nothing else."""
    runs, entries = Cloud().defer({RUNS}), Cloud().defer({ENTRIES})
    cuts = await _cut_of_runs(log, until), await _cut_of_entries(log, until)
    before = await _before(log, cuts)
    await _fold(log, runs, before[cuts[0]], cuts[0], until, acted=False)
    await _fold(log, entries, before[cuts[1]], cuts[1], until, acted=True)
    return runs, entries


async def _cut_of_runs(log: Log, until: int) -> int:
    over = 0

    def is_enough(page: Sequence[Recorded]) -> bool:
        nonlocal over
        over += len(page)
        return over >= saga.KEPT_FINISHED

    return await _cut(log, Selection(_OVER), until, is_enough)


async def _cut_of_entries(log: Log, until: int) -> int:
    over, entries = set[UUID](), 0

    def is_enough(page: Sequence[Recorded]) -> bool:
        nonlocal entries
        over.update(one.stream for one in page if one.event.TOPIC in _OVER)
        for one in page:
            if event_list.lists(one):
                entries += 1 + (one.stream in over)
        return entries >= event_list.KEPT

    return await _cut(log, Selection((_BEGUN, *_OVER), acted=True), until, is_enough)


async def _cut(
    log: Log, selected: Selection, until: int, is_enough: Callable[[Sequence[Recorded]], bool]
) -> int:
    """Go backward until there is enough, page by page; 0 is the beginning."""
    while until > 0:
        after = max(0, until - PAGE)
        pages = log.read_selected(selected, after=after, until=until, batch=PAGE)
        if is_enough([one async for page in pages for one in page]):
            return after
        until = after
    return 0


async def _fold(
    log: Log, cloud: Cloud, before: Before, cut: int, until: int, *, acted: bool
) -> None:
    """Fold what has to be known of what lies up to a cut, and all that lies behind it."""
    topics = cloud.topics
    found = list[Recorded]()
    for stream in before.going:
        found += [one for one in await log.read_stream(stream) if one.position <= cut]
    for position in before.put_away:
        found += [one async for batch in log.read(position - 1, until=position) for one in batch]
    found.sort(key=lambda one: one.position)
    cloud.fold([one for one in found if one.topic in topics])
    selected = Selection(tuple(sorted(topics)), acted)
    async for batch in log.read_selected(selected, after=cut, until=until, batch=PAGE):
        cloud.fold(batch)


async def _before(log: Log, cuts: Collection[int]) -> dict[int, Before]:
    """That of each cut, found by ids alone."""
    going, put_away = dict[UUID, None](), list[int]()
    found, topics, after = dict[int, Before](), (_BEGUN, *_OVER, *_PUT_AWAY), 0
    for cut in sorted(cuts):
        while after < cut:
            end = min(after + OUTLINED, cut)
            for position, stream, topic in await log.outline(topics, after, end):
                if topic == _BEGUN:
                    going[stream] = None
                elif topic in _OVER:
                    going.pop(stream, None)
                else:
                    put_away.append(position)
            after = end
        found[cut] = Before(list(going), list(put_away))
    return found
