"""What both ways of reading Kafka share: connecting, fetching, and telling silence from absence.

aiokafka waits for ever for a broker that is gone. So when nothing has come for a while the broker
is asked for the topic's end, and its answer is what tells a quiet cloud from a dead broker, and
from fetches that stand still. Then the topic is opened anew; so it is where no answer comes, as a
client that no longer learns who leads a partition asks the wrong one for ever.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from consumers.patience import Patience

FETCH_MS, BATCH_RECORDS = 500, 1_000
IDLE_S, PROBE_S, START_S, CLOSE_S = 5.0, 5.0, 30.0, 10.0
STILL_S = 15.0
"""How long nothing may come of what is known to be there, or no answer to what there is."""

GONE = (KafkaError, OSError, TimeoutError)

log_ = logging.getLogger("sagastack.consumers")


async def opened(patience: Patience, topic: str, **settings: Any) -> AIOKafkaConsumer:
    """A started consumer of committed records; the broker is waited for."""
    while True:
        consumer = AIOKafkaConsumer(
            isolation_level="read_committed", enable_auto_commit=False, **settings
        )
        try:
            async with asyncio.timeout(START_S):
                await consumer.start()
                if topic in await consumer.topics():
                    return consumer
            why: BaseException | str = f"there is no topic {topic} yet"
        except GONE as gone:
            why = gone
        except BaseException:
            await closed(consumer)
            raise
        await closed(consumer)
        await patience.wait(why)


async def closed(consumer: AIOKafkaConsumer) -> None:
    """Leave; a broker that is gone is not waited for.

    In a task of its own: a stop that meets its own broken fetches ends as if it were cancelled.
    """
    for leave in (consumer.stop, consumer._client.close):
        leaving = asyncio.ensure_future(leave())
        await asyncio.wait({leaving}, timeout=CLOSE_S)
        if not leaving.done():
            leaving.cancel()
        elif leaving.cancelled() or leaving.exception() is not None:
            continue  # what it had left open is closed below it
        else:
            return


class Fetcher:
    """Fetches batches. An empty one means that the cloud is quiet and the broker lives.

    `stands_still`: more lies behind what was fetched last, and for `STILL_S` nothing of it came, or
    for so long nobody said whether there is more.
    """

    def __init__(self, consumer: AIOKafkaConsumer, patience: Patience) -> None:
        self._consumer, self._patience = consumer, patience
        self._heard_s = time.monotonic()
        self._still_s: float | None = None
        self.stands_still = False

    async def batch(self) -> dict[TopicPartition, list[Any]]:
        found: dict[TopicPartition, list[Any]] = await self._consumer.getmany(
            timeout_ms=FETCH_MS, max_records=BATCH_RECORDS
        )
        if found:
            self._still_s = None
            self._lives()
        elif time.monotonic() - self._heard_s > IDLE_S:
            await self._probe()
        return found

    def _lives(self) -> None:
        self._heard_s = time.monotonic()
        self._patience.lives()

    async def has_all(self) -> bool:
        """Nothing lies behind what was fetched. False also if nobody says so."""
        try:
            return not await self._behind()
        except GONE:
            return False

    async def _probe(self) -> None:
        if not self._consumer.assignment():  # the group gives others all there is
            self._heard_s = time.monotonic()
            return
        try:
            behind = await self._behind()
        except GONE as gone:
            self._note(f"nobody says what more there is ({gone!r})")
            if not self.stands_still:
                await self._patience.wait(gone)
        else:
            self._lives()
            self._note(f"nothing comes of {behind[0].topic}, which has more" if behind else "")

    async def _behind(self) -> list[TopicPartition]:
        """The partitions that have more than was fetched of them."""
        wanted = self._consumer.assignment() - self._consumer.paused()
        async with asyncio.timeout(PROBE_S):
            ends = await self._consumer.end_offsets(list(wanted))
            return [one for one in wanted if await self._position(one) < ends[one]]

    async def _position(self, partition: TopicPartition) -> int:
        return int(await self._consumer.position(partition))

    def _note(self, why: str) -> None:
        """Why nothing comes, or empty if there is nothing to come."""
        now_s = time.monotonic()
        if not why:
            self._still_s = None
        elif self._still_s is None:
            self._still_s = now_s
        elif now_s - self._still_s > STILL_S:
            self.stands_still = True
            log_.warning("%s: it is opened anew", why)
