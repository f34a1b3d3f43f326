"""How far the log is published: the last note of the relay, as committed together with the events.

Each transaction of the relay carries its events and one note. Whoever reads the last committed
note knows exactly which events are in Kafka, whatever became of the relay that wrote them.
"""

from __future__ import annotations

import asyncio

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from engine.cluster.leave import leave
from engine.cluster.topics import TopicsWrong
from engine.log.errors import DAMAGED

READ_S = 20.0
# A note, its transaction's marker, and some that were aborted.
LOOK_BACK = 16
KEY = b"published"


class Published(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last row that is in Kafka: its position and `<stream>/<version>`, and whose log it is."""

    position: int = 0
    id: str = ""
    source: str = ""


def encode(note: Published) -> bytes:
    return msgspec.json.encode(note)


async def last_published(servers: str, topic: str) -> Published:
    """The last note that was committed; position 0 if there is none."""
    value = await last_value(servers, topic)
    return Published() if value is None else _decoded(topic, value)


async def last_value(servers: str, topic: str) -> bytes | None:
    """What was committed last to a topic of one partition; None if nothing was."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    try:
        async with asyncio.timeout(READ_S):
            await consumer.start()
            return await _last(consumer, partition)
    finally:
        await leave(consumer)


async def _last(consumer: AIOKafkaConsumer, partition: TopicPartition) -> bytes | None:
    """Look further and further back from the end: most of what is there is older notes."""
    begin = (await consumer.beginning_offsets([partition]))[partition]
    end = (await consumer.end_offsets([partition]))[partition]
    back = LOOK_BACK
    while True:
        start = max(begin, end - back)
        value = await _read(consumer, partition, start, end)
        if value is not None or start == begin:
            return value
        back *= 8


async def _read(
    consumer: AIOKafkaConsumer, partition: TopicPartition, start: int, end: int
) -> bytes | None:
    """The last value between two offsets. Markers and what was aborted only move the position."""
    value: bytes | None = None
    consumer.seek(partition, start)
    while await consumer.position(partition) < end:
        for records in (await consumer.getmany(timeout_ms=100)).values():
            value = records[-1].value
    return value


def _decoded(topic: str, value: bytes) -> Published:
    try:
        return msgspec.json.decode(value, type=Published)
    except DAMAGED as wrong:
        raise TopicsWrong(
            f"the topic {topic} holds what no relay wrote ({wrong}): choose another prefix"
        ) from wrong
