"""Made-up rows, and a topic of them as the relay writes it, for those who read Kafka."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from engine.cluster.records import record
from engine.log import Stored

FIRST_MS = 1_700_000_000_000
SOURCE = "/sagastack/test"


def rows(count: int, *, seed: int = 1, streams: int = 20, step_ms: int = 10) -> list[Stored]:
    """A log of `count` rows over some streams, with holes in its positions."""
    rng = random.Random(seed)
    versions: dict[UUID, int] = {}
    made, position = [], 0
    for number in range(count):
        position += rng.choice((1, 1, 1, 2, 5))
        stream = UUID(int=rng.randrange(streams) + (seed << 64))
        versions[stream] = version = versions.get(stream, 0) + 1
        at_ms = FIRST_MS + number * step_ms
        state = b'{"at":%d,"d":{"name":"%s"}}' % (at_ms, b"x" * rng.randrange(200))
        made.append(Stored(position, stream, version, "toy.made", state))
    return made


async def make_topic(servers: str, topic: str, partitions: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        keep = {"retention.ms": "-1"}  # These rows are from long ago.
        await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=keep)])
    finally:
        await admin.close()


class Publisher:
    """Writes rows in transactions, as the relay does."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self.producer, self.topic, self.last = producer, topic, 0

    async def publish(self, many: Sequence[Stored], *, at_a_time: int = 200) -> None:
        for first in range(0, len(many), at_a_time):
            async with self.producer.transaction():
                await self.send(many[first : first + at_a_time])

    async def abort(self, many: Sequence[Stored]) -> None:
        """What a relay leaves that died in the middle."""
        last = self.last
        await self.producer.begin_transaction()
        await self.send(many)
        await self.producer.flush()
        await self.producer.abort_transaction()
        self.last = last

    async def send(self, many: Sequence[Stored]) -> None:
        for row in many:
            made = record(row, self.last, SOURCE)
            await self.producer.send(
                self.topic, made.value, made.key, timestamp_ms=made.timestamp_ms,
                headers=made.headers,
            )  # fmt: skip
            self.last = row.position


@asynccontextmanager
async def publisher(servers: str, topic: str) -> AsyncIterator[Publisher]:
    producer = AIOKafkaProducer(
        bootstrap_servers=servers, transactional_id=f"{topic}.relay", linger_ms=5
    )
    await producer.start()
    try:
        yield Publisher(producer, topic)
    finally:
        await producer.stop()


async def until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        for _ in iter(int, 1):
            if true():
                return
            await asyncio.sleep(0.02)
