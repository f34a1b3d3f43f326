"""Lets whoever asks see everything that was acknowledged before it asked, on whichever controller.

One question to the store serves all who wait when it is put (the read index of Raft, Ongaro 2014,
section 6.4, with the store as the leader). No client has to carry a position from one server to the
next. While the store is gone, answers are what is known here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from engine.clock import steady_s
from engine.log import Log, LogUnavailable
from engine.tasks import Tasks

log_ = logging.getLogger("sagastack.freshness")

PATIENCE_S = 2.0
# For how long nobody asks again after a failure: those who read shall not wait for it.
DOWN_S = 1.0


class Freshness:
    """`wait` returns once this controller has folded what anybody was told before.

    `waiting` is how many wait at this moment. `is_certain` is False from when the store does not
    answer until it does again: others may know more than we do.
    """

    def __init__(self, log: Log, tasks: Tasks, *, steady: Callable[[], float] = steady_s) -> None:
        self._log, self._tasks, self._steady = log, tasks, steady
        self._next: asyncio.Future[None] | None = None
        self.waiting = 0
        self.is_certain = True
        self._asking = False
        self._down_until_s = 0.0

    async def wait(self) -> None:
        """Returns at once while the store is gone."""
        if self._steady() < self._down_until_s:
            return
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
            if not self._asking and not self._tasks.spawn(self._ask(), name="freshness"):
                return
        self.waiting += 1
        try:
            await asyncio.shield(self._next)
        finally:
            self.waiting -= 1

    async def _ask(self) -> None:
        """Ask for those who wait, then for those who came meanwhile, until nobody does."""
        self._asking = True
        try:
            while (waiting := self._next) is not None:
                self._next = None
                try:
                    await self._look()
                    self.is_certain, self._down_until_s = True, 0.0
                except (LogUnavailable, TimeoutError) as error:
                    self.is_certain = False
                    self._down_until_s = self._steady() + DOWN_S
                    log_.warning("answering with what is known here: %s", error or "no answer")
                finally:
                    waiting.set_result(None)
        finally:
            self._asking = False

    async def _look(self) -> None:
        """Ask once. A time limit that ran out while this whole process stood still says nothing."""
        while True:
            began_s = self._steady()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self._log.look()
                return
            except TimeoutError:
                if self._steady() - began_s < 2 * PATIENCE_S:
                    raise
