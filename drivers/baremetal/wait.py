"""Waiting that always ends: a pause, and asking again until something holds or time is up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress


async def pause(seconds: float) -> None:
    """Let this much time pass."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()


async def until(
    holds: Callable[[], Awaitable[bool]], *, within_s: float, every_s: float = 1.0
) -> bool:
    """True as soon as it holds, False when `within_s` has passed and it still does not."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + within_s
    while True:
        if await holds():
            return True
        left_s = end_s - loop.time()
        if left_s <= 0:
            return False
        await pause(min(every_s, left_s))
