"""What a controller that cannot reach the log may say for certain, and what it may not."""

from __future__ import annotations

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
