"""Going through the rows of a large table with everybody else's turn between.

To look at a hundred thousand rows takes a third of a second. Nobody else waits for that: so many
are looked at, and then the event loop goes around. The cloud goes on meanwhile. Each row is judged
as it was when it was looked at, and what is gone by the end is left out.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Any

from projections.picked import Numbered, Picked
from projections.pieces import pieces

AT_ONCE = 1_000


async def passing(rows: Picked[Any], tests: Sequence[Callable[[Any], bool]]) -> Picked[Any]:
    """Those that pass all tests; of few rows at once, of many in pieces."""
    if len(rows) <= AT_ONCE or not tests:
        return rows.passing(tests)
    found: list[int] = []
    # An index changes under whoever goes through it.
    async for some in pieces(list(rows.numbers), most=AT_ONCE):
        found += Picked(rows.table, some).passing(tests).numbers
    return Picked(rows.table, found)


async def timed(table: Numbered[Any], numbers: Sequence[int]) -> tuple[list[int], array[int]]:
    """The rows that there still are, in order of creation, and when each was created, in ms."""
    if len(numbers) <= AT_ONCE:
        return in_time(*_there(table, numbers))
    found, times = list[int](), array("q")
    async for some in pieces(list(numbers), most=AT_ONCE):
        there, when = _there(table, some)
        found += there
        times += when
    return in_time(found, times)


def in_time(numbers: list[int], times: array[int]) -> tuple[list[int], array[int]]:
    """The same in order of their times; those of one moment stay as they stand."""
    if times == array("q", sorted(times)):
        return numbers, times
    places = sorted(range(len(times)), key=times.__getitem__)
    return [numbers[at] for at in places], array("q", [times[at] for at in places])


def _there(table: Numbered[Any], numbers: Sequence[int]) -> tuple[list[int], array[int]]:
    there = [number for number in numbers if number in table.rows]
    return there, array("q", map(table.created_at_ms, there))
