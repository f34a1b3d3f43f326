"""What tests of the relay read back from Kafka, with a plain consumer."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from engine.cluster.records import Placed, placed
from engine.cluster.relay import Relay
from engine.cluster.topics import Topics
from engine.log import Log, Stored
from tests.peers.kafka import Kafka

WAIT_S = 180.0
CHILD = Path(__file__).with_name("relay_child.py")
ROOT = Path(__file__).resolve().parents[2]


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
    """All that was committed to Kafka is the log, each row once, chained without a gap.

    A commit is decided before its marker is in every partition: wait for as many as there must be.
    """
    rows = await log.read_stored(limit=1_000_000)
    async with asyncio.timeout(WAIT_S):
        while True:
            partitions = await published(servers, topics)
            if sum(map(len, partitions)) >= len(rows):
                break
            await asyncio.sleep(0.1)
    for records in partitions:
        positions = [one.row.position for one in records]
        assert positions == sorted(set(positions)), "a partition is out of order, or has doubles"
    every = sorted((one for records in partitions for one in records), key=lambda p: p.row.position)
    assert [one.row for one in every] == rows
    assert [one.previous for one in every] == [0, *(row.position for row in rows)][:-1]
    return rows


@asynccontextmanager
async def child(
    url: str, kafka: Kafka, topics: Topics, *fate: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    words = (url, kafka.servers, topics.prefix, str(topics.partitions), *fate)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(CHILD), *words,
        cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def said(process: asyncio.subprocess.Process, text: str) -> None:
    """Wait for a line of the child."""
    assert process.stdout is not None
    async with asyncio.timeout(180):
        while line := (await process.stdout.readline()).decode():
            if text in line:
                return
    raise AssertionError(f"the child ended before it said {text!r}")
