"""What the controller does of its own accord: each in its time, and none in another's way."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.chores import chore as chores
from engine.chores.chore import DOUBT_S, Chore, Chores


class Watch:
    """A clock that a test moves, and sets."""

    def __init__(self) -> None:
        self.at_ms = 1_000_000
        self.passed_s = 0.0

    def steady(self) -> float:
        return self.passed_s

    def now_ms(self) -> int:
        return self.at_ms

    async def sleep(self, seconds: float) -> None:
        self.at_ms += int(seconds * 1000)
        self.passed_s += seconds


async def test_each_comes_round_in_its_time_whatever_becomes_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[tuple[str, int]] = []

    async def fails(engine: Any, now_ms: int) -> None:
        done.append(("fails", now_ms))
        raise RuntimeError("broken")

    async def works(engine: Any, now_ms: int) -> None:
        done.append(("works", now_ms))

    kept = {"a": Chore("a", 10, fails), "b": Chore("b", 60, works)}
    monkeypatch.setattr(chores, "CHORES", kept)
    watch = Watch()
    round_ = Chores(cast(Any, SimpleNamespace(cloud=None)), watch, steady=watch.steady)
    for _ in range(3):
        await round_.round()
        await watch.sleep(10)
    assert [name for name, _ in done] == ["fails", "works", "fails", "fails"]
    await watch.sleep(30)
    await round_.round()
    assert done[-1] == ("works", 1_060_000)


async def test_nobody_waits_for_the_time_that_a_clock_is_set_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[int] = []

    async def works(engine: Any, now_ms: int) -> None:
        done.append(now_ms)

    monkeypatch.setattr(chores, "CHORES", {"a": Chore("a", 60, works)})
    watch = Watch()
    round_ = Chores(cast(Any, SimpleNamespace(cloud=None)), watch, steady=watch.steady)
    await round_.round()
    watch.at_ms -= 900_000
    for _ in range(2):
        await round_.round()
    await watch.sleep(60)
    await round_.round()
    assert done == [1_000_000, 100_000, 160_000]


async def test_a_clock_that_is_set_ahead_is_doubted_for_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A day too far, and set right within minutes: no lease ended. Else it is believed."""
    done: list[int] = []

    async def works(engine: Any, now_ms: int) -> None:
        done.append(now_ms)

    monkeypatch.setattr(chores, "CHORES", {"a": Chore("a", 60, works)})
    watch, day_ms = Watch(), 24 * 3_600_000
    round_ = Chores(cast(Any, SimpleNamespace(cloud=None)), watch, steady=watch.steady)
    await round_.round()
    watch.at_ms += day_ms
    for _ in range(3):
        await watch.sleep(100)
        await round_.round()
    watch.at_ms -= day_ms
    await round_.round()
    assert done == [1_000_000, 1_300_000]
    ahead, back = caplog.messages
    assert "set ahead by 86400 s" in ahead and "set back by 86400 s" in back
    watch.at_ms += day_ms
    while len(done) == 2:
        await watch.sleep(100)
        await round_.round()
    assert done[2] == 1_000_000 + 300_000 + day_ms + 100_000 + int(DOUBT_S * 1000)
