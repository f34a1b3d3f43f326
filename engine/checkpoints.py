"""Saves the folded cloud now and then, in a process of its own, so that the live loop never waits.

The child folds the log from the newest checkpoint onward and saves what comes out; it shares no
memory with the server, so what it saves is by construction a rebuild.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Sequence

from aggregates.base import Recorded
from engine.clock import Clock, steady_s

log_ = logging.getLogger("sagastack.checkpoint")

LOOK_S = 5.0
TIMEOUT_S = 600.0
REST = 4
"""How many times as long as the last one took the next is not begun: a fifth of a core at most."""


class Checkpointer:
    """Asks for a checkpoint whenever `every` events have come since the last one.

    `behind` is how many there were already when the controller started: without one of its own, a
    second start would have to fold all of them again.
    """

    def __init__(
        self,
        home: str,
        store: str,
        *,
        every: int,
        clock: Clock,
        behind: int = 0,
        steady: Callable[[], float] = steady_s,
    ) -> None:
        self._home, self._store, self._every, self._clock = home, store, every, clock
        self._since, self._steady = behind, steady

    def heard(self, batch: Sequence[Recorded]) -> None:
        self._since += len(batch)

    async def run(self) -> None:
        rest_s = 0.0
        while True:
            await self._clock.sleep(max(LOOK_S, rest_s))
            rest_s = 0.0
            if self._since >= self._every:
                self._since = 0
                began_s = self._steady()
                await self._save()
                rest_s = REST * (self._steady() - began_s)

    async def _save(self) -> None:
        argv = ("-m", "sagastack.tools.checkpoint", self._home, self._store)
        child = await asyncio.create_subprocess_exec(
            sys.executable, *argv, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(TIMEOUT_S):
                _, words = await child.communicate()
        except TimeoutError:
            words = b"it took too long"
        finally:
            if child.returncode is None:
                child.kill()
        if child.returncode:
            log_.error("no checkpoint could be saved: %s", words.decode(errors="replace")[-500:])
