"""The log read from a real Kafka: in order, gap free, each row once, whatever the broker does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from engine.clock import SystemClock
from engine.cluster.kafka_rows import Incomplete, KafkaRows, Unfit
from engine.cluster.merge import Merge
from engine.cluster.records import record
from engine.log import Stored
from tests.cluster.published import SOURCE, Publisher, make_topic, publisher, rows, until
from tests.peers.kafka import Kafka

PARTITIONS = 6
WAIT_S = 180


@pytest.fixture
async def relay(kafka: Kafka) -> AsyncIterator[Publisher]:
    topic = f"{kafka.prefix}.events"
    await make_topic(kafka.servers, topic, PARTITIONS)
    async with publisher(kafka.servers, topic) as made:
        yield made


@pytest.fixture
def reader(kafka: Kafka, relay: Publisher) -> KafkaRows:
    return KafkaRows(kafka.servers, relay.topic, SystemClock(), gap_s=1)


async def read(reader: KafkaRows, many: int | None, after: int = 0, **how: Any) -> list[Stored]:
    """So many rows, or all that are there."""
    found: list[Stored] = []
    async with asyncio.timeout(WAIT_S):
        async with aclosing(reader.batches(after, to_end=many is None, **how)) as batches:
            async for batch in batches:
                found += batch
                if many is not None and len(found) >= many:
                    break
    return found


async def test_all_partitions_come_out_as_the_one_log(relay: Publisher, reader: KafkaRows) -> None:
    log = rows(3_000)
    await relay.publish(log)
    assert await read(reader, None) == log
    assert (reader.connected, reader.lag, reader.position) == (True, 0, log[-1].position)


async def test_an_empty_topic_ends_at_once(relay: Publisher, reader: KafkaRows) -> None:
    assert await read(reader, None) == []


async def test_what_comes_while_one_reads_is_read_too(relay: Publisher, reader: KafkaRows) -> None:
    log = rows(600)
    await relay.publish(log[:300])
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(read(reader, 600))
        await relay.publish(log[300:], at_a_time=7)
    assert reading.result() == log


async def test_what_was_not_committed_is_no_part_of_the_log(
    relay: Publisher, reader: KafkaRows
) -> None:
    log, other = rows(400), rows(500, seed=2)
    await relay.publish(log[:200])
    await relay.abort(other[:150])
    await relay.publish(log[200:])
    assert await read(reader, None) == log


@pytest.mark.parametrize("with_time", [True, False])
async def test_a_start_in_the_middle_goes_on_exactly_there(
    relay: Publisher, reader: KafkaRows, with_time: bool
) -> None:
    log = rows(1_000, step_ms=60_000)
    await relay.publish(log)
    start = log[699]
    at_ms = 1_700_000_000_000 + 699 * 60_000 if with_time else 0
    assert await read(reader, None, after=start.position, at_ms=at_ms) == log[700:]


async def test_a_start_at_the_end_waits_for_what_comes(relay: Publisher, reader: KafkaRows) -> None:
    log = rows(100, step_ms=3_600_000)
    await relay.publish(log[:99])
    at_ms = 1_700_000_000_000 + 200 * 3_600_000  # No record is as late as that.
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(read(reader, 1, after=log[98].position, at_ms=at_ms))
        await asyncio.sleep(0.5)
        await relay.publish(log[99:])
    assert reading.result() == [log[99]]


async def test_partitions_far_ahead_wait_for_one_that_is_far_behind(
    kafka: Kafka, relay: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One partition has all the early rows, the others the late ones."""
    most_waiting, offer = 0, Merge.offer

    def watched(self: Merge, *those: Any) -> None:
        nonlocal most_waiting
        offer(self, *those)
        most_waiting = max(most_waiting, self.waiting)

    monkeypatch.setattr(Merge, "offer", watched)
    log = rows(4_000, streams=40)
    streams = {row.stream for row in log}
    first = streams.pop()
    early = [row._replace(stream=first, version=n) for n, row in enumerate(log[:2_000], 1)]
    log[:2_000] = early
    await relay.publish(log, at_a_time=500)
    reader = KafkaRows(kafka.servers, relay.topic, SystemClock(), ahead_bytes=30_000, batch_rows=40)
    assert await read(reader, None) == log
    # 30 kB are some 40 rows; as many come with a poll that has begun.
    assert 40 < most_waiting < PARTITIONS * 100


async def test_a_broker_that_restarts_costs_no_row(
    kafka: Kafka, relay: Publisher, reader: KafkaRows
) -> None:
    log = rows(900)
    await relay.publish(log[:300])
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(read(reader, 900))
        await until(lambda: reader.position == log[299].position)
        await asyncio.to_thread(kafka.broker.kill)
        await until(lambda: not reader.connected)
        await asyncio.to_thread(kafka.broker.start)
        async with publisher(kafka.servers, relay.topic) as next_relay:
            next_relay.last = relay.last
            await next_relay.publish(log[300:])
    assert reading.result() == log
    assert reader.connected


async def test_a_start_without_a_broker_waits_for_one(
    kafka: Kafka, relay: Publisher, reader: KafkaRows
) -> None:
    log = rows(50)
    await relay.publish(log)
    await asyncio.to_thread(kafka.broker.stop)
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(read(reader, 50))
        await asyncio.sleep(1)
        assert not reader.connected
        await asyncio.to_thread(kafka.broker.start)
    assert reading.result() == log


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda headers: [h for h in headers if h[0] != "ce_previous"], "ce_previous"),
        (lambda headers: [(n, b"x" if n == "ce_position" else v) for n, v in headers], "b'x'"),
    ],
)
async def test_a_record_that_does_not_fit_is_named(
    relay: Publisher, reader: KafkaRows, spoil: Any, told: str
) -> None:
    log = rows(10)
    await relay.publish(log[:9])
    made = record(log[9], log[8].position, SOURCE)
    async with relay.producer.transaction():
        sent = await relay.producer.send_and_wait(
            relay.topic, made.value, made.key, headers=spoil(made.headers)
        )
    with pytest.raises(Unfit, match=told) as wrong:
        await read(reader, None)
    where = f"topic {relay.topic}, partition {sent.partition}, offset {sent.offset}: "
    assert str(wrong.value).startswith(where)


async def test_a_key_that_was_changed_is_named(relay: Publisher, reader: KafkaRows) -> None:
    log = rows(10)
    await relay.publish(log[:9])
    made = record(log[9], log[8].position, SOURCE)
    other = next(row for row in log if row.stream != log[9].stream)
    async with relay.producer.transaction():
        await relay.producer.send_and_wait(
            relay.topic, made.value, str(other.stream).encode(), headers=made.headers
        )
    with pytest.raises(Unfit, match=f"{relay.topic}, partition .* key"):
        await read(reader, None)


async def test_rows_that_were_deleted_are_missed_at_once(kafka: Kafka, relay: Publisher) -> None:
    """Rows of all partitions wait for one that nobody has: no time needs to pass to know."""
    relay.last = 17
    await relay.publish([row._replace(position=row.position + 17) for row in rows(300)])
    slow = KafkaRows(kafka.servers, relay.topic, SystemClock(), gap_s=3_600)
    with pytest.raises(Incomplete, match="behind position 0 up to 17"):
        await read(slow, 1)


@pytest.mark.parametrize("hole", [0, 150])
async def test_a_log_of_which_a_part_is_gone_is_not_read_as_if_whole(
    relay: Publisher, reader: KafkaRows, hole: int
) -> None:
    log = rows(300)
    await relay.publish(log[:hole])
    relay.last = log[hole + 9].position
    await relay.publish(log[hole + 10 :])
    with pytest.raises(
        Incomplete, match=f"behind position {log[hole - 1].position if hole else 0}"
    ):
        await read(reader, None)
