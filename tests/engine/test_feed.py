"""A follower gets every event once and in order, if it keeps up or lags behind what is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, cast
from uuid import UUID

import pytest

from aggregates.base import Recorded
from aggregates.saga import SagaSucceeded
from engine.feed import RECENT_EVENTS, Feed
from engine.log import Log


class Written:
    """A log of so many events; each `write` is a batch that listeners hear."""

    def __init__(self) -> None:
        self.events: list[Recorded] = []
        self.reads = 0
        self._listener: Callable[[Sequence[Recorded]], None] = lambda _: None

    def listen(self, listener: Callable[[Sequence[Recorded]], None]) -> None:
        self._listener = listener

    def write(self, count: int) -> None:
        first = len(self.events) + 1
        batch = [
            Recorded(position=n, stream=UUID(int=1), version=n, at_ms=0, event=SagaSucceeded())
            for n in range(first, first + count)
        ]
        self.events += batch
        self._listener(batch)

    async def read(self, after: int, *, until: int) -> AsyncIterator[list[Recorded]]:
        self.reads += 1
        yield self.events[after:until]


@pytest.mark.parametrize(
    ("before", "batches", "reads"),
    [(0, [1, 1, 5], 0), (7, [3, 4], 1), (0, [RECENT_EVENTS + 10], 1), (2, [RECENT_EVENTS, 9], 1)],
)
async def test_each_once_in_order(before: int, batches: list[int], reads: int) -> None:
    log = Written()
    if before:
        log.write(before)
    feed = Feed(cast(Log, cast(Any, log)), before)
    total, seen = before + sum(batches), list[int]()

    async def follow() -> None:
        async for one in feed.follow(0):
            seen.append(one.position)
            if len(seen) == total:
                return

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(follow())
        for count in batches:
            await asyncio.sleep(0)
            log.write(count)
    assert seen == list(range(1, total + 1))
    assert log.reads == reads
