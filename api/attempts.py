"""How often somebody may be wrong: after so many failures even the right answer is refused.

`Attempts` keeps count in the memory of one process; several controllers share a table
(`shared_attempts.py`), so that more controllers do not mean more tries.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

MOST, PAUSE_MS, KEPT = 5, 5 * 60 * 1000, 100_000


class AttemptStore(Protocol):
    """Failures by whom they concern; a pause follows `MOST` of them.

    Each try is `may_try` and then `failed` or `succeeded`, all within a `turn`.
    """

    def turn(self, whom: Hashable) -> AbstractAsyncContextManager[None]:
        """One try after the other."""
        ...

    async def may_try(self, whom: Hashable, now_ms: int) -> bool:
        """Is there no pause to wait for?"""
        ...

    async def failed(self, whom: Hashable, now_ms: int) -> bool:
        """Count a failure; was it the last one that is allowed?"""
        ...

    async def succeeded(self, whom: Hashable) -> None:
        """Whoever was right begins anew."""
        ...


class Turns:
    """One try after the other, so that a hundred side by side are not one, and that many who
    are right at a moment are not in each other's way."""

    def __init__(self) -> None:
        self._turns: dict[Hashable, tuple[asyncio.Lock, list[None]]] = {}

    @asynccontextmanager
    async def turn(self, whom: Hashable) -> AsyncIterator[None]:
        lock, here = self._turns.setdefault(whom, (asyncio.Lock(), []))
        here.append(None)
        try:
            async with lock:
                yield
        finally:
            here.pop()
            if not here:
                del self._turns[whom]


class Attempts(Turns):
    """Counts in memory, and bounded: what is forgotten first is what failed longest ago."""

    def __init__(self) -> None:
        super().__init__()
        self._failed: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()

    async def may_try(self, whom: Hashable, now_ms: int) -> bool:
        count, last_ms = self._failed.get(whom, (0, 0))
        return count < MOST or _is_over(last_ms, now_ms)

    async def failed(self, whom: Hashable, now_ms: int) -> bool:
        count, last_ms = self._failed.pop(whom, (0, 0))
        count = 1 if _is_over(last_ms, now_ms) else count + 1
        self._failed[whom] = (count, now_ms)
        if len(self._failed) > KEPT:
            self._failed.popitem(last=False)
        return count >= MOST

    async def succeeded(self, whom: Hashable) -> None:
        self._failed.pop(whom, None)


def _is_over(last_ms: int, now_ms: int) -> bool:
    """Also where it is further ahead than a pause is long: the clock was set back since."""
    return abs(now_ms - last_ms) >= PAUSE_MS
