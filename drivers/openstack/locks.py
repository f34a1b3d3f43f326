"""One at a time for each id: OpenStack has few names that are there once only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary


class Locks:
    """Locks by id, forgotten when nobody holds or wants them."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def held(self, thing: Hashable) -> AsyncIterator[None]:
        lock = self._known.get(thing)
        if lock is None:
            lock = self._known[thing] = asyncio.Lock()
        async with lock:
            yield
