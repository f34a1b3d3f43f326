"""How fast Kafka is read in the log's order, and a log built from it, against a plain consumer.

The plain consumer reads the same records with the same library and drops them: no reader of Kafka
in Python can do less. By turns in one run; the best turn of each counts, as nothing but noise makes
a turn slower. The notes tell what each costs in CPU of this process, without the broker's.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.settled import settled
from benchmarks.skipped import Skipped
from engine.clock import SystemClock
from engine.cluster.kafka_rows import KafkaRows
from sagastack.backups.targets import target
from sagastack.kafka_replay import BATCH_ROWS, copy
from tests.cluster.published import make_topic, publisher, rows
from tests.peers import kafka

EVENTS, STREAMS, PARTITIONS = 60_000, 2_000, 12
ROUNDS = 9
TOPIC = "bench.events"


async def plain(servers: str) -> int:
    """Take every committed record of every partition, and drop it."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers, isolation_level="read_committed", enable_auto_commit=False
    )
    every = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
    await consumer.start()
    try:
        ends, count = await consumer.end_offsets(every), 0
        consumer.assign(every)
        for partition in every:
            consumer.seek(partition, 0)
        while any([await consumer.position(one) < ends[one] for one in every]):
            found = await consumer.getmany(timeout_ms=500, max_records=BATCH_ROWS)
            count += sum(map(len, found.values()))
        return count
    finally:
        await consumer.stop()


def reader(servers: str) -> KafkaRows:
    return KafkaRows(servers, TOPIC, SystemClock(), batch_rows=BATCH_ROWS)


async def in_order(servers: str) -> int:
    """The log's rows, in order and gap free."""
    async with aclosing(reader(servers).batches(0, to_end=True)) as batches:
        return sum([len(batch) async for batch in batches])


async def into_store(servers: str) -> int:
    """The same into a new SQLite file, durably."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        return await copy(reader(servers), target(f"sqlite:///{folder}/log.db"))


async def timed(work: Callable[[str], Awaitable[int]], servers: str) -> tuple[float, float]:
    """Seconds that it took, and seconds of this process's cores."""
    began, used = time.perf_counter(), time.process_time()
    count = await work(servers)
    took_s, used_s = time.perf_counter() - began, time.process_time() - used
    assert count == EVENTS, f"{work.__name__} found {count} of {EVENTS} records"
    return took_s, used_s


async def measure() -> list[dict[str, Any]]:
    ways = (plain, in_order, into_store)
    took: dict[str, list[tuple[float, float]]] = {way.__name__: [] for way in ways}
    try:
        with kafka.broker() as broker, settled():
            await make_topic(broker.servers, TOPIC, PARTITIONS)
            async with publisher(broker.servers, TOPIC) as relay:
                await relay.publish(rows(EVENTS, streams=STREAMS), at_a_time=2_000)
            await plain(broker.servers)  # Once unmeasured: the broker compiles itself.
            for _ in range(ROUNDS):
                for way in ways:
                    took[way.__name__].append(await timed(way, broker.servers))
    except kafka.Missing as missing:
        raise Skipped(str(missing)) from missing
    best = {name: [min(one) for one in zip(*all_, strict=True)] for name, all_ in took.items()}
    plain_s, plain_cpu_s = best.pop("plain")
    told = {
        "in_order": "merged from 12 partitions into the log's one order, every header checked",
        "into_store": "and written to SQLite at their positions, as `replay --kafka` does it",
    }
    return [
        {
            "name": f"kafka_replay.{name}",
            "value": round(EVENTS / took_s),
            "unit": "events/s",
            "limit": round(EVENTS / plain_s),
            "ratio": round(plain_s / took_s, 2),
            "note": f"{told[name]}; in CPU {cpu_s / EVENTS * 1e6:.1f} µs an event, the plain "
            f"consumer {plain_cpu_s / EVENTS * 1e6:.1f}",
        }
        for name, (took_s, cpu_s) in best.items()
    ]


if __name__ == "__main__":
    for result in asyncio.run(measure()):
        print(result)
