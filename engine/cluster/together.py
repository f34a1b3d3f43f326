"""Puts one question for all who have it at about the same moment, each for something of its own.

Whoever asks first waits a moment for others, asks for all, and tells them. When that fails, or who
asks is stopped, the others are told that it is not known: they ask again, as they would anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from engine.clock import Clock

# Tasks that wake at one tick do so within it, and who waits is in no hurry.
GATHER_S = 0.02

Question = Callable[[Sequence[str]], Awaitable[Mapping[str, bool]]]


class Together:
    """`ask` gives what the question says of a name; None when that is not known."""

    def __init__(self, question: Question, clock: Clock) -> None:
        self._question, self._clock = question, clock
        self._round: dict[str, asyncio.Future[bool | None]] | None = None

    async def ask(self, name: str) -> bool | None:
        """Raises what the question raised for whoever put it, and for nobody else."""
        if self._round is not None:
            told = self._round.get(name)
            if told is None:
                told = self._round[name] = asyncio.get_running_loop().create_future()
            return await asyncio.shield(told)
        others = self._round = {}
        answers: Mapping[str, bool] = {}
        try:
            await self._clock.sleep(GATHER_S)
            self._round = None
            answers = await self._question([name, *(one for one in others if one != name)])
            return answers.get(name)
        finally:
            if self._round is others:
                self._round = None
            for one, told in others.items():
                if not told.done():
                    told.set_result(answers.get(one))
