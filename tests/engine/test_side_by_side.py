"""Very many things, a few at a time, and everybody else in between."""

from __future__ import annotations

import asyncio

import pytest

from engine.side_by_side import side_by_side


async def test_each_is_done_once_and_no_more_than_so_many_at_a_time() -> None:
    done, at_work, most = list[int](), 0, 0

    async def do(number: int) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        for _ in range(20):
            await asyncio.sleep(0)
        at_work -= 1
        done.append(number)

    await side_by_side(range(50), do, most=4)
    assert sorted(done) == list(range(50)) and most == 4


async def test_others_have_their_turn_though_nothing_has_to_be_waited_for() -> None:
    turns, done = 0, list[int]()

    async def other() -> None:
        nonlocal turns
        while len(done) < 100:
            turns += 1
            await asyncio.sleep(0)

    async def do(number: int) -> None:
        done.append(number)

    beside = asyncio.create_task(other())
    await side_by_side(range(100), do, most=4)
    await beside
    assert turns >= 100, "more than one thing in a turn"


async def test_a_failure_ends_the_others() -> None:
    done = list[int]()

    async def do(number: int) -> None:
        if number == 5:
            raise ValueError("five")
        done.append(number)

    with pytest.raises(ExceptionGroup, match="unhandled errors"):
        await side_by_side(range(1_000), do, most=2)
    assert len(done) < 20
