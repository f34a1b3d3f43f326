"""Kafka may go away and come back: writers do not notice, and nothing is lost or doubled."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from engine.clock import SystemClock
from engine.cluster.relay import Relay
from engine.cluster.topics import Topics
from engine.log import Log
from tests.cluster.relay_help import caught_up, judge, running, until
from tests.log.toys import unit
from tests.peers.kafka import Kafka


async def write(log: Log, units: int) -> None:
    for _ in range(units):
        await log.append(unit(uuid4(), 0, "a", "b"))


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_what_was_written_without_kafka_is_published_when_it_is_back(
    how: str, log: Log, kafka: Kafka, topics: Topics
) -> None:
    relay = Relay(log, kafka.servers, topics, SystemClock())
    async with running(relay):
        await write(log, 20)
        await caught_up(log, relay)
        try:
            await asyncio.to_thread(getattr(kafka.broker, how))
            await write(log, 20)  # Acknowledged, with nobody there to publish it.
            await until(lambda: relay.figures.errors > 0)
            assert (relay.figures.lag, relay.figures.connected) == (40, False)
            assert relay.figures.last_error
        finally:
            await asyncio.to_thread(kafka.broker.start)
        await caught_up(log, relay)
        assert relay.figures.connected
    assert len(await judge(log, kafka.servers, topics)) == 80


async def test_a_broker_that_hangs_holds_up_no_writer(
    log: Log, kafka: Kafka, topics: Topics
) -> None:
    relay = Relay(log, kafka.servers, topics, SystemClock())
    async with running(relay):
        await write(log, 5)
        await caught_up(log, relay)
        kafka.broker.pause()
        try:
            async with asyncio.timeout(120):
                await write(log, 50)
            assert relay.figures.lag > 0
        finally:
            kafka.broker.resume()
        await caught_up(log, relay)
    assert len(await judge(log, kafka.servers, topics)) == 110


async def test_a_relay_that_is_cancelled_while_kafka_is_away_ends(
    log: Log, kafka: Kafka, topics: Topics
) -> None:
    relay = Relay(log, kafka.servers, topics, SystemClock())
    before = asyncio.all_tasks()
    async with asyncio.timeout(180):
        async with running(relay):
            await write(log, 1)
            await caught_up(log, relay)
            kafka.broker.pause()
            await write(log, 1)
            await asyncio.sleep(0.5)  # So that it is in the middle of a transaction.
    kafka.broker.resume()
    assert asyncio.all_tasks() == before, "aiokafka's tasks live on"
