"""Time, as an argument. The only module that asks the machine what time it is, or sleeps."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


def steady_s() -> float:
    """Seconds since some moment, which no setting of the clock changes and no sleep of the machine
    stops: how long this process was paused shows in it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Clock(Protocol):
    def now_ms(self) -> int:
        """Wall-clock time in milliseconds since 1970, UTC."""

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
