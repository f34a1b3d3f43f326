"""The relay publishes every row once, in order, with no gap; and nothing where it must not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import uuid4

import psycopg

from engine.clock import SystemClock
from engine.cluster.published import Published, last_published
from engine.cluster.relay import Relay
from engine.cluster.topics import Topics
from engine.log import Log
from tests.cluster.relay_help import caught_up, judge, published, running, until
from tests.log.toys import unit
from tests.peers.kafka import Kafka


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


async def test_the_note_says_how_far_it_is_however_many_there_are(
    log: Log, kafka: Kafka, topics: Topics
) -> None:
    relay = Relay(log, kafka.servers, topics, SystemClock())
    async with running(relay):
        await until(lambda: relay.figures.connected)
        assert await last_published(kafka.servers, topics.relay) == Published()
        for _ in range(30):
            await log.append(unit())
            await caught_up(log, relay)
    note = await last_published(kafka.servers, topics.relay)
    row = (await log.read_stored(29))[0]
    assert (note.position, note.id) == (30, f"{row.stream}/{row.version}")


async def test_the_next_relay_goes_on_behind_the_last(
    log: Log, kafka: Kafka, topics: Topics
) -> None:
    for turn in range(3):
        await log.append(unit(uuid4(), 0, "a", "b"))
        relay = Relay(log, kafka.servers, topics, SystemClock())
        async with running(relay):
            await caught_up(log, relay)
        assert relay.figures.events == 2, f"turn {turn} has published what was there"
    assert len(await judge(log, kafka.servers, topics)) == 6


async def test_of_two_relays_the_first_is_fenced_and_nothing_is_doubled(
    log: Log, kafka: Kafka, topics: Topics
) -> None:
    first = Relay(log, kafka.servers, topics, SystemClock())
    second = Relay(log, kafka.servers, topics, SystemClock())
    async with running(first):
        await log.append(unit())
        await caught_up(log, first)
        async with running(second):
            await until(lambda: second.figures.connected)
            await log.append(unit())
            await until(lambda: first.figures.fenced == 1)
            assert "another relay" in first.figures.last_error
            for _ in range(20):  # It leaves the other one in peace for a while.
                await log.append(unit())
                await caught_up(log, second)
                await asyncio.sleep(0.05)
            assert (first.figures.fenced, second.figures.fenced) == (1, 0)
    assert len(await judge(log, kafka.servers, topics)) == 22


async def test_topics_of_another_cloud_are_left_alone(
    log: Log, kafka: Kafka, topics: Topics, postgres: Callable[[], str]
) -> None:
    relay = Relay(log, kafka.servers, topics, SystemClock())
    async with running(relay):
        await log.append(unit())
        await caught_up(log, relay)
    other = await Log.open(postgres(), now_ms=SystemClock().now_ms)
    try:
        for _ in range(3):
            await other.append(unit())
        stranger = Relay(other, kafka.servers, topics, SystemClock())
        async with running(stranger):
            await until(lambda: stranger.figures.errors > 0)
        assert "another cloud" in stranger.figures.last_error
        assert not stranger.figures.connected
    finally:
        await other.close()
    assert len(await judge(log, kafka.servers, topics)) == 1


async def test_rows_of_any_size_are_published(log: Log, kafka: Kafka, topics: Topics) -> None:
    stream = uuid4()
    await log.append(unit(stream, 0, "small", "x" * 300_000, "y" * 3_000_000, "small"))
    relay = Relay(log, kafka.servers, topics, SystemClock())
    async with running(relay):
        await caught_up(log, relay)
    await judge(log, kafka.servers, topics)
    sizes = [len(one.row.state) for some in await published(kafka.servers, topics) for one in some]
    assert sizes == sorted(sizes[:2]) + sizes[2:]
    assert max(sizes) > 3_000_000


async def test_a_hole_in_the_log_is_no_gap_in_kafka(
    url: str, log: Log, kafka: Kafka, topics: Topics
) -> None:
    for _ in range(3):
        await log.append(unit())
    # As a log of an earlier release has them, from inserts that were rolled back.
    with psycopg.connect(url.replace("postgres://", "postgresql://")) as direct:
        direct.execute("DELETE FROM stored_events WHERE notification_id = 2")
    opened = await Log.open(url, now_ms=SystemClock().now_ms)
    relay = Relay(opened, kafka.servers, topics, SystemClock())
    async with running(relay):
        await caught_up(opened, relay)
    assert [row.position for row in await judge(opened, kafka.servers, topics)] == [1, 3]
    await opened.close()
