"""A follower gets every event once and in order, if it keeps up or lags behind what is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, cast
from uuid import UUID

import pytest

from aggregates.base import Recorded
from aggregates.saga import SagaSucceeded
from engine.feed import RECENT_EVENTS, WOKEN_A_TURN, Feed
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

    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        group.create_task(follow())
        for count in batches:
            await asyncio.sleep(0)
            log.write(count)
    assert seen == list(range(1, total + 1))
    assert log.reads == reads


async def test_many_followers_are_woken_some_in_a_turn_and_all_hear_everything() -> None:
    log = Written()
    feed = Feed(cast(Log, cast(Any, log)), 0)
    seen: list[list[int]] = [[] for _ in range(3 * WOKEN_A_TURN)]

    async def follow(mine: list[int]) -> None:
        async for batch in feed.batches(0):
            mine += [one.position for one in batch]
            if mine[-1] == 3:
                return

    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        for mine in seen:
            group.create_task(follow(mine))
        await asyncio.sleep(0.01)
        log.write(1)
        for _ in range(2):
            await asyncio.sleep(0)
        heard = sum(bool(mine) for mine in seen)
        log.write(2)
    assert 0 < heard <= 2 * WOKEN_A_TURN
    assert seen == [[1, 2, 3]] * len(seen)


async def test_a_follower_is_told_that_nothing_came() -> None:
    log = Written()
    feed = Feed(cast(Log, cast(Any, log)), 0)
    batches = feed.batches(0, 0.001)
    async with asyncio.timeout(120):
        assert [len(await anext(batches)) for _ in range(3)] == [0, 0, 0]
        log.write(2)
        assert len(await anext(batches)) == 2
        assert len(await anext(batches)) == 0
    await batches.aclose()
