"""The log as a stream that never ends: what lies behind a position, then what comes.

Followers read the log themselves, at their own pace; the latest events are kept in memory so that
those who keep up cost the store nothing. A slow follower never holds up a writer, and a thousand
quick ones do not hold up the loop: some are woken in each of its turns, whoever waited longest
first, and one that is woken late takes all that has come meanwhile at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from itertools import islice

from aggregates.base import Recorded
from engine.log import Log

RECENT_EVENTS = 4096
BATCH_EVENTS = 256
WOKEN_A_TURN = 32
Waiting = dict[asyncio.Future[None], None]


class Feed:
    def __init__(self, log: Log, position: int) -> None:
        self._log = log
        self._recent: deque[Recorded] = deque(maxlen=RECENT_EVENTS)
        self._position = position
        # In the order in which they came: who waits for news, and who is to be told of some.
        self._waiting: Waiting = {}
        self._called: Waiting = {}
        log.listen(self._heard)

    async def follow(self, after: int) -> AsyncIterator[Recorded]:
        """Every event behind `after`, each once and in order, for as long as it is asked."""
        async for batch in self.batches(after):
            for recorded in batch:
                yield recorded

    async def batches(
        self, after: int, patience_s: float | None = None
    ) -> AsyncGenerator[Sequence[Recorded], None]:
        """The same, as many together as there are; an empty one when none came for so long."""
        while True:
            if after >= self._position:
                if not await self._news(patience_s):
                    yield ()
            elif self._recent and self._recent[0].position <= after + 1:
                # Positions have no holes, so those behind `after` are the last so many.
                first = after - self._position
                last = range(first, min(0, first + BATCH_EVENTS))
                batch = [self._recent[at] for at in last]
                after = batch[-1].position
                yield batch
            else:
                async for read in self._log.read(after, until=self._position):
                    after = read[-1].position
                    yield read

    async def _news(self, patience_s: float | None) -> bool:
        """Wait for something new; whether it came."""
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[called] = None
        try:
            async with asyncio.timeout(patience_s):
                await called
        except TimeoutError:
            return False
        finally:
            self._waiting.pop(called, None)
            self._called.pop(called, None)
        return True

    def _heard(self, batch: Sequence[Recorded]) -> None:
        self._recent.extend(batch)
        self._position = batch[-1].position
        idle = not self._called
        self._called.update(self._waiting)
        self._waiting.clear()
        if idle:
            self._wake()

    def _wake(self) -> None:
        """Tell as many as one turn of the loop has time for, and the others in the next."""
        for called in list(islice(self._called, WOKEN_A_TURN)):
            del self._called[called]
            if not called.done():
                called.set_result(None)
        if self._called:
            asyncio.get_running_loop().call_soon(self._wake)
