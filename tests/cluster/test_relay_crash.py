"""A relay that dies or sleeps, at whatever moment, costs nothing: the next one goes on exactly."""

from __future__ import annotations

import asyncio
import signal
from random import Random
from uuid import uuid4

import pytest

from engine.clock import SystemClock
from engine.cluster.leases import Leases
from engine.cluster.relay import Relay
from engine.cluster.topics import Topics
from engine.log import Log
from tests.cluster.relay_help import caught_up, child, judge, running, said, until
from tests.log.toys import unit
from tests.peers.kafka import Kafka


async def write(log: Log, units: int) -> None:
    for _ in range(units):
        await log.append(unit(uuid4(), 0, "a", "b", "c"))


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_crash_around_a_commit_neither_loses_nor_doubles(
    moment: str, url: str, log: Log, kafka: Kafka, topics: Topics
) -> None:
    await write(log, 20)
    async with child(url, kafka, topics, moment, "4") as process:
        assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL
    relay = Relay(log, kafka.servers, topics, SystemClock())
    async with running(relay):
        await caught_up(log, relay)
    rows = await judge(log, kafka.servers, topics)
    committed = {"before": 3 * 7, "after": 4 * 7}[moment]
    assert relay.figures.events == len(rows) - committed == 60 - committed


async def test_relays_that_are_killed_at_any_moment_publish_the_whole_log(
    url: str, log: Log, kafka: Kafka, topics: Topics
) -> None:
    moments = Random(7)
    for _ in range(4):
        async with child(url, kafka, topics) as process:
            await said(process, "connected True")
            async with asyncio.TaskGroup() as group:
                group.create_task(write(log, 60))
                await asyncio.sleep(moments.uniform(0.0, 0.4))
                process.kill()
    relay = Relay(log, kafka.servers, topics, SystemClock())
    async with running(relay):
        await caught_up(log, relay)
    assert len(await judge(log, kafka.servers, topics)) == 4 * 180


async def test_a_relay_that_slept_through_its_replacement_can_write_nothing(
    url: str, log: Log, kafka: Kafka, topics: Topics
) -> None:
    await write(log, 20)
    async with child(url, kafka, topics, "pause", "4") as sleeper:
        await said(sleeper, "connected True")
        relay = Relay(log, kafka.servers, topics, SystemClock())
        async with running(relay):
            await caught_up(log, relay)
            sleeper.send_signal(signal.SIGCONT)
            await said(sleeper, "fenced 1")
            await write(log, 20)
            await caught_up(log, relay)
        assert relay.figures.fenced == 0
    assert len(await judge(log, kafka.servers, topics)) == 120


async def test_another_controller_takes_over_from_one_that_is_killed(
    url: str, log: Log, kafka: Kafka, topics: Topics
) -> None:
    clock = SystemClock()
    leases = Leases(url, "this", clock)
    relay = Relay(log, kafka.servers, topics, clock)
    async with child(url, kafka, topics, "leased") as holder:
        await said(holder, "connected True")
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(leases.while_held("relay", relay.run))
            await write(log, 20)
            assert not relay.figures.running, "one relay at a time"
            holder.kill()
            await write(log, 20)
            await until(lambda: relay.figures.running)
            await caught_up(log, relay)
            waiting.cancel()
    await leases.close()
    assert (relay.figures.errors, relay.figures.fenced) == (0, 0)
    assert len(await judge(log, kafka.servers, topics)) == 120
