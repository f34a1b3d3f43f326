"""The log as a stream that never ends: what lies behind a position, then what comes.

Followers read the log themselves, at their own pace; the latest events are kept in memory so that
those who keep up cost the store nothing. A slow follower never holds up a writer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence

from aggregates.base import Recorded
from engine.log import Log

RECENT_EVENTS = 4096


class Feed:
    def __init__(self, log: Log, position: int) -> None:
        self._log = log
        self._recent: deque[Recorded] = deque(maxlen=RECENT_EVENTS)
        self._position = position
        self._news = asyncio.Event()
        log.listen(self._heard)

    def _heard(self, batch: Sequence[Recorded]) -> None:
        self._recent.extend(batch)
        self._position = batch[-1].position
        self._news.set()
        self._news = asyncio.Event()

    async def follow(self, after: int) -> AsyncIterator[Recorded]:
        """Every event behind `after`, each once and in order, for as long as it is asked."""
        while True:
            news = self._news
            if after < self._position:
                if self._recent and self._recent[0].position <= after + 1:
                    # Positions have no holes, so those behind `after` are the last so many.
                    last = range(after - self._position, 0)
                    for recorded in [self._recent[at] for at in last]:
                        yield recorded
                        after = recorded.position
                else:
                    async for batch in self._log.read(after, until=self._position):
                        for recorded in batch:
                            yield recorded
                            after = recorded.position
                continue
            await news.wait()
