"""How far a step is, said seldom enough for a log that keeps everything.

The first word is recorded, then one for each tenth of the way or every two seconds, but never
two within half a second; the rest is dropped. A step may therefore report as often as it likes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from engine.clock import Clock

STEP_PERCENT = 10
STEP_MS = 2_000
SOON_MS = 500


class Watched:
    """Passes a step's reports on to `record`, few of them."""

    def __init__(self, clock: Clock, record: Callable[[int, str], Awaitable[None]]) -> None:
        self._clock, self._record = clock, record
        self._percent, self._at_ms = -STEP_PERCENT, 0

    async def __call__(self, percent: int, text: str) -> None:
        now_ms = self._clock.now_ms()
        since_ms = abs(now_ms - self._at_ms)  # a clock that is set back silences nobody
        small = percent < self._percent + STEP_PERCENT
        if percent <= self._percent or since_ms < SOON_MS or (small and since_ms < STEP_MS):
            return
        self._percent, self._at_ms = percent, now_ms
        await self._record(percent, text)
