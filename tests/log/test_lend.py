"""A loop that never rests and often looks at its sockets still lets the log be written and read."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import pytest

from engine.log import Append, Log, Unit
from engine.log.lend import PATIENCE_S, PAUSE_S, REST_S, Lender
from tests.log.toys import Made

T = TypeVar("T")
# Each is some tenth of a millisecond; without lending, millions went by before an answer.
ENOUGH_TURNS = 50_000


async def beside_a_busy_loop(work: Awaitable[T]) -> T:
    """What the work gives; the loop gives the interpreter away and takes it back all the time."""
    task = asyncio.ensure_future(work)
    for _ in range(ENOUGH_TURNS):
        for _ in range(8):
            sum(range(2000))
            select.select([], [], [], 0)
        await asyncio.sleep(0)
        if task.done():
            return task.result()
    task.cancel()
    raise AssertionError("the log had no turn")


def many() -> Unit:
    return Unit(tuple(Append(uuid4(), 0, (Made(name="x"),)) for _ in range(100)))


async def test_commits_and_reads_end_beside_a_loop_that_never_rests(tmp_path: Path) -> None:
    log = await Log.open(f"sqlite://{tmp_path}/log.db", now_ms=lambda: 1)
    for _ in range(3):
        assert len(await beside_a_busy_loop(log.append(many()))) == 100
    assert len(await beside_a_busy_loop(log.read_stored())) == 300
    await log.close()


async def test_nobody_rests_for_nothing() -> None:
    lender = Lender(asyncio.get_running_loop())
    lender.begin()
    lender.begin()
    lender.end()
    assert lender.lending
    lender.end()
    assert not lender.lending


async def test_whoever_gets_things_done_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sign of life is worth as much patience as a beginning; silence is not."""
    timers: list[float] = []

    class Loop:
        def call_later(self, delay_s: float, act: object) -> asyncio.TimerHandle:
            timers.append(delay_s)
            return asyncio.get_running_loop().call_later(60.0, lambda: None)

    rests: list[float] = []
    monkeypatch.setattr("engine.log.lend.time.sleep", rests.append)
    lender = Lender(Loop())  # type: ignore[arg-type]
    lender.alive()
    assert timers == [], "nobody works"
    lender.begin()
    lender.alive()
    assert timers == [PATIENCE_S, PATIENCE_S] and rests == []
    lender._rest()
    assert timers[2:] == [PAUSE_S] and rests == [REST_S]
    lender.alive()
    assert timers[3:] == [PATIENCE_S]
    lender.end()
    assert not lender.lending
