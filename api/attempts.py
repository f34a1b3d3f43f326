"""How often somebody may be wrong: after so many failures even the right answer is refused.

Kept in the memory of one process, and bounded: what is forgotten first is what failed longest ago.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

MOST, PAUSE_MS, KEPT = 5, 5 * 60 * 1000, 100_000


class Attempts:
    """Failures by whom they concern; a pause follows `MOST` of them."""

    def __init__(self) -> None:
        self._failed: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()
        self._turns: dict[Hashable, tuple[asyncio.Lock, list[None]]] = {}

    @asynccontextmanager
    async def turn(self, whom: Hashable) -> AsyncIterator[None]:
        """One try after the other, so that a hundred side by side are not one, and that many who
        are right at a moment are not in each other's way."""
        lock, here = self._turns.setdefault(whom, (asyncio.Lock(), []))
        here.append(None)
        try:
            async with lock:
                yield
        finally:
            here.pop()
            if not here:
                del self._turns[whom]

    def may_try(self, whom: Hashable, now_ms: int) -> bool:
        """Has there been no pause to wait for?"""
        count, last_ms = self._failed.get(whom, (0, 0))
        return count < MOST or now_ms - last_ms >= PAUSE_MS

    def failed(self, whom: Hashable, now_ms: int) -> bool:
        """Count a failure; was it the last one that is allowed?"""
        count, last_ms = self._failed.pop(whom, (0, 0))
        count = 1 if now_ms - last_ms >= PAUSE_MS else count + 1
        self._failed[whom] = (count, now_ms)
        if len(self._failed) > KEPT:
            self._failed.popitem(last=False)
        return count >= MOST

    def succeeded(self, whom: Hashable) -> None:
        """Whoever was right begins anew."""
        self._failed.pop(whom, None)
