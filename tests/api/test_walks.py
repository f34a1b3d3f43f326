"""A large table is walked in pieces: nobody waits for it, and what changes meanwhile is seen."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from api.walks import AT_ONCE, passing, timed
from projections.picked import Picked
from projections.pieces import turn
from tests.api.everybody import House, house
from tests.api.test_memo import signed


class Numbers:
    """A table whose rows are their numbers, created one a millisecond, the latest first."""

    def __init__(self, count: int) -> None:
        self.rows = {number: number for number in range(count)}

    def at(self, number: int) -> int:
        return self.rows[number]

    look = glance = at

    def created_at_ms(self, number: int) -> int:
        return -self.rows[number]


def is_even(number: int) -> bool:
    return not number % 2


async def test_others_have_their_turn() -> None:
    table, turns = Numbers(10 * AT_ONCE), 0

    async def count() -> None:
        nonlocal turns
        while True:
            await turn()
            turns += 1

    counting = asyncio.create_task(count())
    found = await passing(Picked(table, list(table.rows)), [is_even])
    assert found.numbers == list(filter(is_even, table.rows))
    assert turns >= 9
    numbers, times = await timed(table, found.numbers)
    assert numbers == list(reversed(found.numbers)) and list(times) == sorted(times)
    assert turns >= 13
    counting.cancel()


async def test_an_index_that_changes_meanwhile_hides_nothing() -> None:
    table = Numbers(3 * AT_ONCE)
    index = list(table.rows)
    walking = asyncio.create_task(passing(Picked(table, index), [is_even]))
    await turn()
    await turn()
    for gone in (0, 2, len(table.rows) - 2):
        index.remove(gone)
        del table.rows[gone]
    numbers, _ = await timed(table, (await walking).numbers)
    assert sorted(numbers) == list(filter(is_even, table.rows))


async def test_of_those_who_ask_the_same_one_walks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walks = list[Any]()

    async def counted(rows: Picked[Any], tests: Any) -> Picked[Any]:
        walks.append(rows)
        await turn()
        return await passing(rows, tests)

    async with house(tmp_path) as here:
        monkeypatch.setattr("api.lists.FEW", 0)
        monkeypatch.setattr("api.lists.passing", counted)
        told = await asyncio.gather(*(_named(here, "no such") for _ in range(9)))
        assert len(walks) == 1 and len(set(told)) == 1
        await _named(here, "another")
        assert len(walks) == 2


async def _named(here: House, word: str) -> bytes:
    params = {"command": "listVirtualMachines", "keyword": word, "listall": "true"}
    return bytes((await here.gateway.answer(signed(here, "root", params))).body)
