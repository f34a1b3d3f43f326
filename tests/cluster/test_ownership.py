"""Partitions of sagas: shared while all are there, and asked for again after a long sleep."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from engine.clock import SystemClock
from engine.cluster.ownership import SESSION_S, Partitions
from engine.cluster.topics import Topics, ensure
from tests.peers.kafka import Kafka


class Sleeper:
    """A steady clock that can jump, as it does for a process that was paused."""

    def __init__(self) -> None:
        self.slept_s = 0.0

    def __call__(self) -> float:
        return asyncio.get_running_loop().time() + self.slept_s


async def test_who_slept_gives_all_up_and_comes_anew(kafka: Kafka, topics: Topics) -> None:
    """Also when the group has not noticed, as when its broker slept too."""
    await ensure(kafka.servers, topics)
    sleeper, seen = Sleeper(), []
    clock, many = SystemClock(), topics.saga_partitions
    ours = Partitions(kafka.servers, topics.sagas, many, clock, steady=sleeper)

    async def changed() -> None:
        seen.append(len(ours.mine))

    member = asyncio.create_task(ours.run(changed))
    try:
        async with asyncio.timeout(180):
            while seen != [many]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            assert ours.owns(uuid4())
            sleeper.slept_s = SESSION_S + 1
            assert not ours.owns(uuid4()), "before anybody has told it"
            while seen != [many, 0, many]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert ours.owns(uuid4())
    finally:
        member.cancel()
        await asyncio.wait([member])
