"""What a controller that cannot reach the log may say for certain, and what it may not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aggregates.errors import LimitReached
from engine.cluster.freshness import DOWN_S, Freshness
from engine.intents import By
from engine.log import LogUnavailable
from engine.tasks import Tasks
from sagastack.face import Face


class Store:
    """A log that answers, or does not."""

    def __init__(self) -> None:
        self.is_there, self.asked = True, 0

    async def look(self) -> None:
        self.asked += 1
        if not self.is_there:
            raise LogUnavailable("the store is gone")


async def test_it_is_certain_until_the_store_is_gone_and_again_when_it_is_back() -> None:
    store, now_s = Store(), [0.0]
    anything: Any = store
    async with Tasks() as tasks:
        freshness = Freshness(anything, tasks, steady=lambda: now_s[0])
        await freshness.wait()
        assert freshness.is_certain
        store.is_there = False
        await freshness.wait()
        await freshness.wait()
        assert not freshness.is_certain and store.asked == 2, "who waits does not ask at once again"
        now_s[0] += DOWN_S
        assert not freshness.is_certain, "time alone tells nothing"
        store.is_there = True
        await freshness.wait()
        assert freshness.is_certain


class Recovering(Store):
    """A log that answers from the second time on; the first one takes until `gate`."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.gate = asyncio.Event(), asyncio.Event()

    async def look(self) -> None:
        self.asked += 1
        self.begun.set()
        if self.asked == 1:
            await self.gate.wait()
            raise LogUnavailable("the store is gone")


async def test_once_it_is_back_whoever_reads_asks_again_at_once() -> None:
    """What one was told is nothing that another, who comes later, may go by."""
    anything: Any = Recovering()
    async with Tasks() as tasks:
        freshness = Freshness(anything, tasks, steady=lambda: 0.0)
        first = asyncio.create_task(freshness.wait())
        await anything.begun.wait()
        second = asyncio.create_task(freshness.wait())
        await asyncio.sleep(0)
        anything.gate.set()
        await asyncio.gather(first, second)
        assert freshness.is_certain and anything.asked == 2
        await freshness.wait()
        assert anything.asked == 3, "it is certain, so it must have asked"


class Stopped(Store):
    """A log that answers at last, since the process stood still when it was asked."""

    def __init__(self, now_s: list[float]) -> None:
        super().__init__()
        self.now_s = now_s

    async def look(self) -> None:
        self.asked += 1
        if self.asked == 1:
            self.now_s[0] += 60.0
            raise TimeoutError


async def test_a_limit_that_ran_out_while_the_process_stood_still_says_nothing() -> None:
    now_s = [0.0]
    anything: Any = Stopped(now_s)
    async with Tasks() as tasks:
        freshness = Freshness(anything, tasks, steady=lambda: now_s[0])
        await freshness.wait()
        assert freshness.is_certain and anything.asked == 2


class Refusing:
    """An engine whose rules say no."""

    def __init__(self, refusal: Exception) -> None:
        self.refusal = refusal
        self.runner: Any = self
        self.turns: Any = self
        self.read: Any = None

    async def decide(self, intent: object, by: By) -> None:
        raise self.refusal


async def test_a_refusal_by_what_may_be_old_is_not_final() -> None:
    """Somebody else may have freed what was at its limit."""
    engine: Any = Refusing(LimitReached("five of five are in use"))
    nothing: Any = None
    face = Face(engine, nothing, nothing)
    with pytest.raises(LimitReached):
        await face.decide(object(), By(action="TEST"))
    face.is_certain = lambda: False
    with pytest.raises(LogUnavailable, match="five of five are in use; ask again"):
        await face.decide(object(), By(action="TEST"))
