"""The relay publishes every row once, in order, with no gap, whatever happens to it or to Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from engine.clock import SystemClock
from engine.cluster.relay import Relay
from engine.cluster.topics import Topics
from engine.log import Log, Stored
from tests.cluster.relay_help import published, until
from tests.log.toys import unit
from tests.peers.kafka import Kafka


@pytest.fixture
async def log(postgres: object) -> AsyncIterator[Log]:
    opened = await Log.open(postgres(), now_ms=SystemClock().now_ms)  # type: ignore[operator]
    yield opened
    await opened.close()


@pytest.fixture
def topics(kafka: Kafka) -> Topics:
    return Topics(prefix=kafka.prefix, partitions=4)


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[Relay]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(relay.run(1))
        yield relay
        task.cancel()


async def caught_up(log: Log, relay: Relay) -> None:
    end = await log.position()
    await until(lambda: relay.figures.position == end)


async def judge(log: Log, servers: str, topics: Topics) -> list[Stored]:
    """All that was committed to Kafka is the log, each row once, chained without a gap."""
    partitions = await published(servers, topics)
    for records in partitions:
        positions = [one.row.position for one in records]
        assert positions == sorted(set(positions)), "a partition is out of order, or has doubles"
    every = sorted((one for records in partitions for one in records), key=lambda p: p.row.position)
    before = [0, *(one.row.position for one in every)]
    assert [one.previous for one in every] == before[:-1]
    rows = await log.read_stored(limit=1_000_000)
    assert [one.row for one in every] == rows
    return rows


async def test_every_row_is_published_once_in_order_and_byte_for_byte(
    log: Log, kafka: Kafka, topics: Topics
) -> None:
    streams = [uuid4() for _ in range(20)]
    for version in range(5):
        for stream in streams:
            await log.append(unit(stream, version * 2, f"übung {version}", "b"))
    relay = Relay(log, kafka.servers, topics, SystemClock())
    async with running(relay):
        await caught_up(log, relay)
        for stream in streams:  # And what comes later, as it comes.
            await log.append(unit(stream, 10, "late"))
        await caught_up(log, relay)
    rows = await judge(log, kafka.servers, topics)
    figures = relay.figures
    assert (len(rows), figures.events, figures.lag) == (220, 220, 0)
    assert (figures.errors, figures.fenced, figures.running) == (0, 0, False)
