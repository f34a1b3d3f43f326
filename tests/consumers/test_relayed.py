"""What a controller decides reaches a consumer of Kafka, the same as a reader of its events."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aggregates.base import EVENTS
from consumers import Event, Stream, consume
from engine.clock import SystemClock
from engine.cluster.relay import Relay
from engine.cluster.topics import Topics
from tests.cluster.relay_help import running
from tests.peers.kafka import Kafka
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import place

WAIT_S = 180.0


async def up_to(stream: Stream, position: int) -> list[Event]:
    told: list[Event] = []
    async with asyncio.timeout(WAIT_S), stream:
        async for event in stream:
            told.append(event)
            if event.position >= position:
                return told
    raise AssertionError("the stream ended")


async def test_kafka_and_the_controller_tell_the_same(kafka: Kafka, tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        topics = Topics(prefix=kafka.prefix, partitions=4)
        relay = Relay(here.controller.log, kafka.servers, topics, SystemClock())
        async with running(relay):
            await deploy(here.ann)
            position = here.controller.cloud.position
            url = f"http://127.0.0.1:{here.controller.port}/events"
            whole = f"kafka://{kafka.servers}?prefix={kafka.prefix}"
            told = await up_to(consume(url, key=here.admin.key, secret=here.admin.secret), position)
            relayed = await up_to(consume(whole), position)
            behind = await up_to(consume(whole, after=position - 20), position)
            group = consume(f"{whole}&group=all", topics=["vm.*"])
            guests: list[Event] = []
            wanted = [one.id for one in told if one.topic.startswith("vm.")]
            async with asyncio.timeout(WAIT_S), group:
                async for event in group:
                    guests.append(event)
                    if len(guests) == len(wanted):
                        break
    assert relayed == told
    assert behind == told[-20:]
    assert [one.id for one in guests] == wanted
    assert {type(one.data) for one in told} <= set(EVENTS.values())
