"""The whole log from Kafka, in its order, from anywhere, through everything that may happen."""

from __future__ import annotations

import asyncio
import random
import time

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from consumers import Event, LogGap, SourceGone, Stream, consume, kafka_log, kafka_reader
from tests.consumers.publisher import Publisher, stream_of
from tests.peers.kafka import Broker, Kafka

WAIT_S = 180.0
STREAMS = [stream_of(n) for n in range(12)]


def source(kafka: Kafka) -> str:
    return f"kafka://{kafka.servers}?prefix={kafka.prefix}"


async def take(stream: Stream, count: int) -> list[Event]:
    told: list[Event] = []
    async with asyncio.timeout(WAIT_S):
        async for event in stream:
            told.append(event)
            if len(told) == count:
                return told
    raise AssertionError("the stream ended")


async def filled(publisher: Publisher, units: int, rng: random.Random) -> None:
    for number in range(units):
        streams = rng.sample(STREAMS, rng.randint(1, 6))
        if number % 5 == 4:
            await publisher.aborted(streams)
        await publisher.publish(streams)


async def test_the_log_comes_in_its_order_and_each_event_once(kafka: Kafka) -> None:
    async with Publisher(kafka.servers, kafka.prefix) as publisher:
        await filled(publisher, 60, random.Random(4))
        told = await take(consume(source(kafka)), len(publisher.ids))
    assert [one.id for one in told] == publisher.ids
    assert {one.partition for one in told} == {0}
    assert told[3].data == {"number": told[3].position}
    assert told[0].at.timestamp() == 1_700_000_000


@pytest.mark.parametrize("size", [40, 1500])
async def test_reading_begins_behind_any_position(kafka: Kafka, size: int) -> None:
    """Also where the position lies in a hole, and where it has to be searched for."""
    rng = random.Random(size)
    async with Publisher(kafka.servers, kafka.prefix) as publisher:
        while len(publisher.ids) < size:
            await publisher.publish(rng.choices(STREAMS, k=1) if size < 100 else STREAMS)
        for after in (0, 1, 2, 31, publisher.position // 2 + 1, publisher.position - 1):
            expected = publisher.ids[after // 2 :]
            told = await take(consume(source(kafka), after=after), len(expected))
            assert [one.id for one in told] == expected, after


async def test_only_what_is_asked_for_comes(kafka: Kafka) -> None:
    async with Publisher(kafka.servers, kafka.prefix) as publisher:
        for topic in ("vm.started", "host.added", "vm.stopped"):
            await publisher.publish(STREAMS[:3], topic)
        told = await take(consume(source(kafka), topics=["vm.*"]), 6)
    assert [one.topic for one in told] == ["vm.started"] * 3 + ["vm.stopped"] * 3
    assert told[0].noun == "vm"


async def test_more_partitions_are_read_too(kafka: Kafka) -> None:
    async with Publisher(kafka.servers, kafka.prefix, partitions=1) as publisher:
        await publisher.publish(STREAMS)
        stream = consume(source(kafka))
        told: list[Event] = []
        async with asyncio.timeout(WAIT_S):
            async for event in stream:
                told.append(event)
                if len(told) == len(STREAMS):
                    await publisher.grow(4)
                    await asyncio.sleep(1)
                    await publisher.publish([stream_of(n) for n in range(100, 140)])
                if len(told) == len(publisher.ids):
                    break
    assert [one.id for one in told] == publisher.ids


async def test_a_lost_event_is_said_and_never_passed_over(kafka: Kafka) -> None:
    async with Publisher(kafka.servers, kafka.prefix) as publisher:
        await publisher.publish(STREAMS)
        await publisher.publish(STREAMS, lose=1)
        told: list[Event] = []
        with pytest.raises(LogGap, match="nothing between positions 24 and 28"):
            async with asyncio.timeout(WAIT_S):
                async for event in consume(source(kafka), patience_s=2):
                    told += [event]
    assert [one.id for one in told] == publisher.ids[:12]


async def test_what_was_not_fetched_yet_is_not_taken_for_lost(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One partition is far behind the others, for longer than a lost event is waited for."""
    getmany, since_s = AIOKafkaConsumer.getmany, time.monotonic()

    async def all_but_the_first(
        self: AIOKafkaConsumer, *partitions: TopicPartition, **how: int
    ) -> object:
        if time.monotonic() - since_s < 4:
            partitions = tuple(one for one in self.assignment() if one.partition)
        return await getmany(self, *partitions, **how)

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", all_but_the_first)
    async with Publisher(kafka.servers, kafka.prefix) as publisher:
        await publisher.publish(STREAMS)
        told = await take(consume(source(kafka), patience_s=1), len(publisher.ids))
    assert [one.id for one in told] == publisher.ids


async def test_a_broker_that_comes_back_is_gone_on_with(kafka: Kafka, kafka_broker: Broker) -> None:
    async with Publisher(kafka.servers, kafka.prefix) as publisher:
        await publisher.publish(STREAMS)
    stream = consume(source(kafka))
    told: list[Event] = []
    async with asyncio.timeout(WAIT_S * 2):
        async for event in stream:
            told.append(event)
            if len(told) == len(STREAMS):
                await asyncio.to_thread(kafka_broker.kill)
                await asyncio.to_thread(kafka_broker.start)
                await publisher.connect()
                await publisher.publish(STREAMS)
                await publisher.disconnect()
            if len(told) == 2 * len(STREAMS):
                break
    assert [one.id for one in told] == publisher.ids


def nothing_comes_at_first(patch: pytest.MonkeyPatch, lives: list[AIOKafkaConsumer]) -> None:
    """The first client fetches nothing, those after it do; each is put into `lives`."""
    getmany = AIOKafkaConsumer.getmany

    async def standing(self: AIOKafkaConsumer, *partitions: object, **how: int) -> object:
        lives.extend([] if self in lives else [self])
        if self is lives[0]:
            await asyncio.sleep(how["timeout_ms"] / 1000)
            return {}
        return await getmany(self, *partitions, **how)

    patch.setattr(AIOKafkaConsumer, "getmany", standing)


@pytest.mark.parametrize("group", ["", "&group=those-who-wait"])
async def test_fetches_that_stand_still_are_begun_anew(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch, group: str
) -> None:
    """The broker answers and has more, and the first life of the client never gets it."""
    monkeypatch.setattr(kafka_reader, "IDLE_S", 0.1)
    monkeypatch.setattr(kafka_reader, "STILL_S", 0.5)
    lives = list[AIOKafkaConsumer]()
    async with Publisher(kafka.servers, kafka.prefix) as publisher:
        await publisher.publish(STREAMS)
        nothing_comes_at_first(monkeypatch, lives)
        told = await take(consume(source(kafka) + group), len(publisher.ids))
    assert len(lives) == 2
    assert sorted(one.id for one in told) == sorted(publisher.ids)


async def test_where_a_position_lies_is_not_asked_for_ever(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that says which partitions there are, and nothing else, is as good as gone."""
    monkeypatch.setattr(kafka_log, "START_S", 0.2)

    async def unanswered(self: AIOKafkaConsumer, partitions: object) -> object:
        return await asyncio.Event().wait()

    async with Publisher(kafka.servers, kafka.prefix) as publisher:
        await publisher.publish(STREAMS)
        monkeypatch.setattr(AIOKafkaConsumer, "beginning_offsets", unanswered)
        with pytest.raises(SourceGone, match="nothing is lost"):
            async with asyncio.timeout(WAIT_S):
                await anext(aiter(consume(source(kafka), patience_s=2)))


@pytest.mark.parametrize("group", ["", "&group=those-who-ask"])
async def test_a_client_that_learns_no_more_who_leads_is_begun_anew(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch, group: str
) -> None:
    """Nothing comes in its first life, and nobody says what there would be."""
    monkeypatch.setattr(kafka_reader, "IDLE_S", 0.1)
    monkeypatch.setattr(kafka_reader, "PROBE_S", 0.2)
    monkeypatch.setattr(kafka_reader, "STILL_S", 0.5)
    lives, end_offsets = list[AIOKafkaConsumer](), AIOKafkaConsumer.end_offsets

    async def unanswered(self: AIOKafkaConsumer, partitions: object) -> object:
        if lives and self is lives[0]:
            await asyncio.Event().wait()
        return await end_offsets(self, partitions)

    async with Publisher(kafka.servers, kafka.prefix) as publisher:
        await publisher.publish(STREAMS)
        nothing_comes_at_first(monkeypatch, lives)
        monkeypatch.setattr(AIOKafkaConsumer, "end_offsets", unanswered)
        told = await take(consume(source(kafka) + group), len(publisher.ids))
    assert len(lives) == 2
    assert sorted(one.id for one in told) == sorted(publisher.ids)


async def test_where_a_position_lies_is_asked_again_if_nobody_says_it(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_log, "START_S", 2.0)
    asked, beginning = list[AIOKafkaConsumer](), AIOKafkaConsumer.beginning_offsets

    async def unanswered(self: AIOKafkaConsumer, partitions: object) -> object:
        asked.extend([] if self in asked else [self])
        if self is asked[0]:
            await asyncio.Event().wait()
        return await beginning(self, partitions)

    async with Publisher(kafka.servers, kafka.prefix) as publisher:
        await publisher.publish(STREAMS)
        monkeypatch.setattr(AIOKafkaConsumer, "beginning_offsets", unanswered)
        told = await take(consume(source(kafka)), len(publisher.ids))
    assert len(asked) == 2
    assert [one.id for one in told] == publisher.ids


async def test_a_broker_that_stays_away_is_said_to_be_gone(
    kafka: Kafka, kafka_broker: Broker
) -> None:
    async with Publisher(kafka.servers, kafka.prefix) as publisher:
        await publisher.publish(STREAMS)
    stream = consume(source(kafka), patience_s=3)
    told = 0
    try:
        with pytest.raises(SourceGone, match="nothing is lost"):
            async with asyncio.timeout(WAIT_S):
                async for _ in stream:
                    told += 1
                    if told == len(STREAMS):
                        await asyncio.to_thread(kafka_broker.stop)
    finally:
        await asyncio.to_thread(kafka_broker.restart)
