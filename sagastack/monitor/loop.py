"""How long the event loop keeps others waiting: a nap that lasts too long says it.

Everything that a controller answers goes through one loop, so what holds it holds everybody. The
watch naps ten times a second; what a nap lasts beyond that is a stall that somebody felt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from engine.clock import Clock
from sagastack.monitor.exposition import Family, Histogram, gauge, histogram

NAP_S = 0.1
STALL_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class LoopWatch:
    """Run `run` beside everything else; `families` may be asked at any time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.stalls_s = Histogram(*STALL_S)
        self._worst_s = 0.0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            await self._clock.sleep(NAP_S)
            self.noted(loop.time() - began_s - NAP_S)

    def noted(self, stall_s: float) -> None:
        stall_s = max(0.0, stall_s)
        self.stalls_s.observe(stall_s)
        self._worst_s = max(self._worst_s, stall_s)

    def families(self) -> Iterator[Family]:
        about = "How much later than it should the event loop came round, ten times a second."
        yield histogram("loop_stall_seconds", about, {"": self.stalls_s})
        worst_s, self._worst_s = self._worst_s, 0.0
        yield gauge("loop_stall_worst_seconds", "The longest stall since the last scrape.", worst_s)
