"""Seals come to Kafka as lines of the file, in order, and a new relay goes on behind the last."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import msgspec
from aiokafka import AIOKafkaConsumer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.clock import SystemClock
from engine.cluster.seal_relay import SealRelay
from engine.cluster.seal_table import SealTable
from engine.cluster.topics import Topics
from engine.log import Stored
from engine.log.seal import Seal, seal
from tests.peers.kafka import Kafka

KEY = Ed25519PrivateKey.generate()


def chain(length: int) -> list[Seal]:
    """Seals of rows that nobody else has."""
    made: list[Seal] = []
    for position in range(1, length + 1):
        row = Stored(position, uuid4(), 1, "toy.made", b"{}")
        made.append(seal([row], made[-1] if made else None, KEY, at_ms=1_000 * position))
    return made


async def published(kafka: Kafka, topics: Topics, many: int) -> list[bytes]:
    """The first so many records, and that no more come for a moment."""
    consumer = AIOKafkaConsumer(
        topics.seals, bootstrap_servers=kafka.servers, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async with asyncio.timeout(180):
            found = [(await consumer.getone()).value for _ in range(many)]
        more = await consumer.getmany(timeout_ms=1500)
        return found + [one.value for some in more.values() for one in some]
    finally:
        await consumer.stop()


async def test_seals_are_published_once_and_in_order(
    url: str, kafka: Kafka, topics: Topics
) -> None:
    seals, table = chain(5), await SealTable.open(url)
    assert await table.append(*seals[:3])
    running = asyncio.create_task(SealRelay(url, kafka.servers, topics, SystemClock()).run(1))
    try:
        assert len(await published(kafka, topics, 3)) == 3
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert await table.append(*seals[3:])
    running = asyncio.create_task(SealRelay(url, kafka.servers, topics, SystemClock()).run(2))
    try:
        found = await published(kafka, topics, 5)
    finally:
        running.cancel()
        await asyncio.wait([running])
        await table.close()
    assert found == [msgspec.json.encode(one) for one in seals]
