"""One question for all who ask at a moment; nobody hangs on whoever put it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from engine.clock import SystemClock
from engine.cluster.together import Together

LIMIT_S = 30


class Asked:
    """What was asked, and answers that come when they are let."""

    def __init__(self, error: Exception | None = None) -> None:
        self.names: list[list[str]] = []
        self.put, self.may_answer = asyncio.Event(), asyncio.Event()
        self._error = error

    async def question(self, names: Sequence[str]) -> dict[str, bool]:
        self.names.append(sorted(names))
        self.put.set()
        await self.may_answer.wait()
        if self._error is not None:
            raise self._error
        return {name: name != "no" for name in names}


async def test_who_asks_at_one_moment_shares_a_question_and_is_told_of_its_own() -> None:
    asked = Asked()
    asked.may_answer.set()
    together = Together(asked.question, SystemClock())
    async with asyncio.timeout(LIMIT_S):
        told = await asyncio.gather(*(together.ask(name) for name in ("a", "no", "b", "a")))
        assert told == [True, False, True, True]
        assert await together.ask("c") is True
    assert asked.names == [["a", "b", "no"], ["c"]]


async def test_who_comes_while_a_question_is_on_its_way_has_one_of_its_own() -> None:
    asked = Asked()
    together = Together(asked.question, SystemClock())
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
        first = group.create_task(together.ask("a"))
        await asked.put.wait()
        second = group.create_task(together.ask("b"))
        await asyncio.sleep(0)
        asked.may_answer.set()
    assert (first.result(), second.result()) == (True, True)
    assert asked.names == [["a"], ["b"]]


@pytest.mark.parametrize("while_gathering", [True, False])
async def test_others_are_told_nothing_when_who_asks_is_stopped(while_gathering: bool) -> None:
    asked = Asked()
    together = Together(asked.question, SystemClock())
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
        first = group.create_task(together.ask("a"))
        await asyncio.sleep(0)
        second = group.create_task(together.ask("b"))
        await asyncio.sleep(0)
        if not while_gathering:
            await asked.put.wait()
        first.cancel()
    assert first.cancelled() and second.result() is None
    asked.may_answer.set()
    async with asyncio.timeout(LIMIT_S):
        assert await together.ask("b") is True


async def test_a_failure_is_told_to_who_asked_alone() -> None:
    asked = Asked(OSError("gone"))
    asked.may_answer.set()
    together = Together(asked.question, SystemClock())
    async with asyncio.timeout(LIMIT_S):
        told = await asyncio.gather(together.ask("a"), together.ask("b"), return_exceptions=True)
    assert isinstance(told[0], OSError) and told[1] is None
