"""Jobs and the list of events, each folded of the end of a long past alone.

Only the latest jobs that are over and the latest entries are kept, so most of what a long past says
of either would be decoded and folded to be forgotten. Behind a cut lies as much as is kept; it is
found by going backward. Of what lies before it, only jobs that were not over there matter: these
are found by the ids of all that began and ended, and are read as streams.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
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


async def runs_until(log: Log, until: int) -> Cloud:
    """The jobs at a position, in a cloud that is not settled yet and has nothing else."""
    cloud, over = Cloud().defer({RUNS}), 0

    def is_enough(page: Sequence[Recorded]) -> bool:
        nonlocal over
        over += len(page)
        return over >= saga.KEPT_FINISHED

    cut = await _cut(log, Selection(_OVER), until, is_enough)
    await _fold_behind(log, cloud, cut, until, acted=False)
    return cloud


async def entries_until(log: Log, until: int) -> Cloud:
    """The same of the list of events."""
    cloud, over, entries = Cloud().defer({ENTRIES}), set[UUID](), 0

    def is_enough(page: Sequence[Recorded]) -> bool:
        nonlocal entries
        over.update(one.stream for one in page if one.event.TOPIC in _OVER)
        for one in page:
            if event_list.lists(one):
                entries += 1 + (one.stream in over)
        return entries >= event_list.KEPT

    cut = await _cut(log, Selection((_BEGUN, *_OVER), acted=True), until, is_enough)
    await _fold_behind(log, cloud, cut, until, acted=True)
    return cloud


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


async def _fold_behind(log: Log, cloud: Cloud, cut: int, until: int, *, acted: bool) -> None:
    topics = cloud.topics
    cloud.fold([one async for one in _before(log, cut) if one.topic in topics])
    selected = Selection(tuple(sorted(topics)), acted)
    async for batch in log.read_selected(selected, after=cut, until=until, batch=PAGE):
        cloud.fold(batch)


async def _before(log: Log, cut: int) -> AsyncIterator[Recorded]:
    """What has to be known of what lies up to a cut, in order: all of the jobs that were not over
    there, and what was put away."""
    going, put_away = dict[UUID, None](), list[int]()
    for after in range(0, cut, OUTLINED):
        topics = (_BEGUN, *_OVER, *_PUT_AWAY)
        for position, stream, topic in await log.outline(topics, after, min(after + OUTLINED, cut)):
            if topic == _BEGUN:
                going[stream] = None
            elif topic in _OVER:
                going.pop(stream, None)
            else:
                put_away.append(position)
    found = list[Recorded]()
    for stream in going:
        found += [one for one in await log.read_stream(stream) if one.position <= cut]
    for position in put_away:
        found += [one async for batch in log.read(position - 1, until=position) for one in batch]
    for one in sorted(found, key=lambda one: one.position):
        yield one
