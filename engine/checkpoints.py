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
AGAIN_S = (60.0, 120.0, 300.0, 900.0)
"""How long it is waited before one that failed is tried again; the last of them from then on."""


class Checkpointer:
    """Asks for a checkpoint whenever `every` events have come since the last one that was saved.

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
        self._since, self._steady, self._failed = behind, steady, 0

    def heard(self, batch: Sequence[Recorded]) -> None:
        self._since += len(batch)

    async def run(self) -> None:
        pause_s = LOOK_S
        while True:
            await self._clock.sleep(pause_s)
            pause_s = LOOK_S
            if self._since >= self._every:
                due, self._since = self._since, 0
                began_s = self._steady()
                why = await self._save()
                pause_s = max(LOOK_S, REST * (self._steady() - began_s))
                if why:
                    self._since += due
                    pause_s = max(pause_s, AGAIN_S[min(self._failed, len(AGAIN_S) - 1)])
                self._tell(why)

    def _tell(self, why: str) -> None:
        """That it fails is said once, and that it does no longer."""
        if why and not self._failed:
            log_.error("no checkpoint could be saved, it will be tried again: %s", why)
        if self._failed and not why:
            log_.info("a checkpoint was saved again, after %d that failed", self._failed)
        self._failed = self._failed + 1 if why else 0

    async def _save(self) -> str:
        """Why it could not be saved; nothing if it was."""
        argv = ("-m", "sagastack.tools.checkpoint", self._home, self._store)
        try:
            child = await asyncio.create_subprocess_exec(
                sys.executable, *argv, stderr=asyncio.subprocess.PIPE
            )
        except OSError as error:
            return str(error)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                _, words = await child.communicate()
        except TimeoutError:
            return f"it took longer than {TIMEOUT_S:.0f} s"
        finally:
            if child.returncode is None:
                child.kill()
        if not child.returncode:
            return ""
        return words.decode(errors="replace")[-500:] or f"its process ended by {child.returncode}"
