"""A controller that can die: a clock that can jump, and a log whose process is gone at a commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from aggregates.base import Recorded
from engine.log import Log, Unit

Listener = Callable[[Sequence[Recorded]], None]
BEGAN_MS = 1_700_000_000_000


class SimClock:
    """The loop's virtual time as a wall clock that may be set forward and back."""

    def __init__(self) -> None:
        self.off_ms = 0

    def now_ms(self) -> int:
        return BEGAN_MS + self.off_ms + int(asyncio.get_running_loop().time() * 1000)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class MortalLog:
    """The log of one life. From its death on nobody hears anything from it, and nothing enters.

    At the `dies_at`-th commit from now the process is gone: before the commit, or when it is on
    disk and nobody has heard of it.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self.dead = asyncio.Event()
        self._left = 0
        self._before = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def listen(self, listener: Listener) -> None:
        """The dead hear nothing."""

        def hear(batch: Sequence[Recorded]) -> None:
            if not self.dead.is_set():
                listener(batch)

        self._log.listen(hear)

    def dies_at(self, commits: int, *, before: bool) -> None:
        self._left, self._before = commits, before

    def submit(self, unit: Unit) -> asyncio.Future[list[Recorded]]:
        unanswered = asyncio.get_running_loop().create_future()
        if self.dead.is_set():
            return unanswered
        self._left -= 1
        if self._left != 0:
            self._log.submit(unit).add_done_callback(partial(self._answered, unanswered))
            return unanswered
        if not self._before:
            self._log.submit(unit).add_done_callback(lambda answer: answer.exception())
        self.dead.set()
        return unanswered

    def _answered(
        self, waiting: asyncio.Future[list[Recorded]], answer: asyncio.Future[list[Recorded]]
    ) -> None:
        """Also what was on its way when the process died is not heard of."""
        error = None if answer.cancelled() else answer.exception()
        if self.dead.is_set() or waiting.done():
            return
        if answer.cancelled():
            waiting.cancel()
        elif error is not None:
            waiting.set_exception(error)
        else:
            waiting.set_result(answer.result())

    async def append(self, unit: Unit) -> list[Recorded]:
        return await self.submit(unit)
