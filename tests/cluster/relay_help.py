"""What tests of the relay read back from Kafka, with a plain consumer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from engine.cluster.records import Placed, placed
from engine.cluster.topics import Topics

WAIT_S = 60.0


async def published(servers: str, topics: Topics) -> list[list[Placed]]:
    """All committed events by partition, each partition in its order."""
    consumer: Any = AIOKafkaConsumer(
        bootstrap_servers=servers, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    every = [TopicPartition(topics.events, number) for number in range(topics.partitions)]
    consumer.assign(every)
    found: list[list[Placed]] = [[] for _ in every]
    await consumer.start()
    try:
        async with asyncio.timeout(WAIT_S):
            ends = await consumer.end_offsets(every)
            while any([await consumer.position(one) < ends[one] for one in every]):
                for one, records in (await consumer.getmany(timeout_ms=200)).items():
                    found[one.partition] += [placed(r.key, r.value, r.headers) for r in records]
    finally:
        await consumer.stop()
    return found


async def until(true: Callable[[], bool], seconds: float = WAIT_S) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while True:
            if true():
                return
            await asyncio.sleep(0.02)


async def eventually(true: Callable[[], Awaitable[bool]], seconds: float = WAIT_S) -> None:
    """The same for what has to be asked for: Kafka takes in changes a moment after it said yes."""
    async with asyncio.timeout(seconds):
        while True:
            if await true():
                return
            await asyncio.sleep(0.05)
