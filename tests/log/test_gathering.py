"""Units wait for one another while many come, and never for others that do not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import chain

from engine.log.gathering import BUSY_UNITS, MOST_UNITS, TURNS, Gathering


def gathering(busy: bool) -> tuple[Gathering[int], list[list[int]]]:
    put: list[list[int]] = []

    def note(units: Sequence[int]) -> None:
        put.append(list(units))

    made = Gathering[int](asyncio.get_running_loop(), note)
    made.served(BUSY_UNITS if busy else BUSY_UNITS - 1)
    return made, put


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_whoever_writes_alone_never_waits() -> None:
    made, put = gathering(busy=False)
    made.add(1)
    made.add(2)
    assert put == [[1], [2]]


async def test_what_some_turns_bring_is_put_together() -> None:
    made, put = gathering(busy=True)
    for unit in range(2 * TURNS):
        made.add(unit)
        await turns(1)
    assert [len(units) for units in put] == [TURNS, TURNS]
    assert list(chain(*put)) == list(range(2 * TURNS))


async def test_a_turn_that_brings_nothing_ends_the_waiting() -> None:
    made, put = gathering(busy=True)
    made.add(1)
    await turns(1)
    assert put == [] and len(made) == 1
    await turns(1)
    assert put == [[1]] and len(made) == 0


async def test_enough_are_not_held_any_longer() -> None:
    made, put = gathering(busy=True)
    for unit in range(MOST_UNITS):
        made.add(unit)
    await turns(1)
    assert [len(units) for units in put] == [MOST_UNITS]


async def test_what_is_held_goes_before_what_comes_when_there_are_few_again() -> None:
    made, put = gathering(busy=True)
    made.add(1)
    made.served(1)
    made.add(2)
    await turns(2)
    assert list(chain(*put)) == [1, 2]
