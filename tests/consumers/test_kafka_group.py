"""Members of a group share a cloud's events; deaths double or lose nothing that is not allowed."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from consumers import Event, Stream, consume
from tests.consumers.publisher import Publisher, stream_of
from tests.peers.kafka import Broker, Kafka

ROOT = Path(__file__).parents[2]
WAIT_S = 180.0
STREAMS = [stream_of(n) for n in range(12)]
KILLS = 8


def source(kafka: Kafka, member: str = "") -> str:
    name = f"&member={member}" if member else ""
    return f"kafka://{kafka.servers}?prefix={kafka.prefix}&group={kafka.prefix}{name}"


async def take(stream: Stream, count: int, *, commit: int = 0) -> list[Event]:
    """So many events, of which the first `commit` are committed."""
    told: list[Event] = []
    async with asyncio.timeout(WAIT_S), stream:
        async for event in stream:
            told.append(event)
            if len(told) <= commit:
                assert await stream.commit(event)
            if len(told) == count:
                return told
    raise AssertionError("the stream ended")


def assert_ordered(told: list[Event]) -> None:
    versions: dict[object, list[int]] = defaultdict(list)
    for event in told:
        versions[event.stream].append(event.version)
    assert all(found == sorted(found) for found in versions.values())


async def test_what_was_not_committed_comes_again_and_nothing_else(kafka: Kafka) -> None:
    async with Publisher(kafka.servers, kafka.prefix) as publisher:
        for _ in range(5):
            await publisher.publish(STREAMS)
        first = await take(consume(source(kafka)), 30, commit=20)
        rest = await take(consume(source(kafka)), 40)
    assert_ordered(first)
    assert_ordered(rest)
    done, again = {one.id for one in first[:20]}, {one.id for one in rest}
    assert done | again == set(publisher.ids)
    assert not done & again


async def test_a_commit_of_all_that_was_taken(kafka: Kafka) -> None:
    async with Publisher(kafka.servers, kafka.prefix) as publisher:
        await publisher.publish(STREAMS)
        stream = consume(source(kafka))
        async with asyncio.timeout(WAIT_S), stream:
            count = 0
            async for _ in stream:
                count += 1
                if count == len(STREAMS):
                    assert await stream.commit()
                    break
        await publisher.publish(STREAMS)
        rest = await take(consume(source(kafka)), len(STREAMS))
    assert {one.id for one in rest} == set(publisher.ids[len(STREAMS) :])


async def test_what_nobody_asked_for_is_not_read_again(kafka: Kafka) -> None:
    async with Publisher(kafka.servers, kafka.prefix, partitions=1) as publisher:
        await publisher.publish(STREAMS[:1], "vm.started")
        await publisher.publish(STREAMS, "host.added")
        await publisher.publish(STREAMS[:1], "vm.stopped")
        await take(consume(source(kafka), topics=["vm.*"]), 2, commit=2)
        await publisher.publish(STREAMS[:1], "vm.expunged")
        (rest,) = await take(consume(source(kafka)), 1)
    assert rest.topic == "vm.expunged"


async def test_members_share_and_one_takes_over_from_another(kafka: Kafka) -> None:
    """Both are given something; when one leaves, the other has all that is left."""
    one, other = consume(source(kafka)), consume(source(kafka))
    heard: dict[str, list[Event]] = {"one": [], "other": []}
    both, all_heard, wanted = asyncio.Event(), asyncio.Event(), set[str]()

    async def listen(name: str, stream: Stream) -> None:
        async for event in stream:
            heard[name].append(event)
            await stream.commit(event)
            if heard["one"] and heard["other"]:
                both.set()
            if wanted and {one.id for each in heard.values() for one in each} >= wanted:
                all_heard.set()

    async with Publisher(kafka.servers, kafka.prefix, partitions=4) as publisher:
        async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
            first = group.create_task(listen("one", one))
            second = group.create_task(listen("other", other))
            while not both.is_set():
                await publisher.publish(STREAMS)
                await asyncio.sleep(0.1)
            first.cancel()
            await asyncio.wait({first})
            await publisher.publish(STREAMS)
            wanted.update(publisher.ids)
            await all_heard.wait()
            second.cancel()


async def test_a_member_goes_on_when_the_broker_comes_back(
    kafka: Kafka, kafka_broker: Broker
) -> None:
    async with Publisher(kafka.servers, kafka.prefix) as publisher:
        await publisher.publish(STREAMS)
    stream, told = consume(source(kafka)), list[Event]()
    async with asyncio.timeout(WAIT_S * 2), stream:
        async for event in stream:
            told.append(event)
            await stream.commit(event)
            if len(told) == len(STREAMS):
                await asyncio.to_thread(kafka_broker.kill)
                await asyncio.to_thread(kafka_broker.start)
                await publisher.connect()
                await publisher.publish(STREAMS)
                await publisher.disconnect()
            if {one.id for one in told} == set(publisher.ids):
                break
    assert_ordered(told)


class Child:
    """A consumer with a sink in its own process."""

    def __init__(self, kafka: Kafka, database: str, member: str) -> None:
        self._words = [source(kafka, member), database, kafka.prefix]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.consumers.sink_child", *self._words],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        assert self._process is not None and self._process.poll() is None, "it ended by itself"
        self._process.kill()
        self._process.wait(60)


@pytest.fixture
def children() -> Iterator[list[Child]]:
    made: list[Child] = []
    yield made
    for child in made:
        child.kill()


async def test_no_kill_doubles_or_loses_an_effect(
    kafka: Kafka, postgres: Callable[[], str], children: list[Child]
) -> None:
    """Two members with one sink are killed at random moments while events come in."""
    rng, database = random.Random(20), postgres()
    children += [Child(kafka, database, name) for name in ("one", "other")]
    async with Publisher(kafka.servers, kafka.prefix, partitions=4) as publisher:
        await publisher.publish(STREAMS)
        for child in children:
            child.start()
        await _effects(database, 1)
        for _ in range(KILLS):
            for _ in range(rng.randint(5, 15)):
                await publisher.publish(rng.choices(STREAMS, k=20))
                await asyncio.sleep(rng.uniform(0, 0.15))
            victim = rng.choice(children)
            await asyncio.to_thread(victim.kill)
            victim.start()
        told = await _effects(database, len(publisher.ids))
        expected = publisher.ids
    assert sorted(event for event, _ in told) == sorted(expected)
    places: dict[str, list[int]] = defaultdict(list)
    for event, position in told:
        places[event.partition("/")[0]].append(position)
    assert all(found == sorted(found) for found in places.values())
    with psycopg.connect(database) as connection:
        totals = connection.execute("SELECT noun, events FROM total").fetchall()
    assert totals == [("toy", len(expected))]


async def _effects(database: str, count: int) -> list[tuple[str, int]]:
    """The effects in the order in which they were made, once there are so many."""
    until = time.monotonic() + 2 * WAIT_S
    found: list[tuple[str, int]] = []
    while time.monotonic() < until:
        try:
            with psycopg.connect(database) as connection:
                found = connection.execute(
                    "SELECT event, position FROM effect ORDER BY number"
                ).fetchall()
        except psycopg.errors.UndefinedTable:
            found = []
        if len(found) >= count:
            return found
        await asyncio.sleep(0.2)
    raise AssertionError(f"{len(found)} of {count} effects in {2 * WAIT_S:.0f} s")
