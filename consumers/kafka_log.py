"""Kafka read as the whole log in its one order, from any position on, without a group.

Where a position lies in a partition is found by bisection: positions only grow within one. What is
read is brought in order by `merge`, and read anew behind the last position when the topic gets
more partitions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError

from consumers import kafka_record
from consumers.errors import LogGap
from consumers.event import Event
from consumers.kafka_reader import GONE, START_S, Fetcher, closed, opened
from consumers.merge import Merge
from consumers.patience import Patience
from consumers.stream import Stream

DELETED = (OffsetOutOfRangeError, NoOffsetForPartitionError)
NEAR_OFFSETS, SEEK_MS = 500, 1_000
METADATA_MS = 5_000


class KafkaLogStream(Stream):
    def __init__(self, servers: str, topic: str, *, patience_s: float, **common: Any) -> None:
        super().__init__(**common)
        self._servers, self._topic, self._patience_s = servers, topic, patience_s
        self._consumer: AIOKafkaConsumer | None = None

    async def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await closed(consumer)

    async def _events(self, after: int) -> AsyncIterator[Event]:
        patience = Patience(f"Kafka at {self._servers}", self._patience_s)
        merge = Merge(after)
        while True:
            self._consumer = await opened(
                patience,
                self._topic,
                bootstrap_servers=self._servers,
                auto_offset_reset="none",
                metadata_max_age_ms=METADATA_MS,
            )
            try:
                async for one in self._rows(self._consumer, merge, patience):
                    # Of what is read in the log's order, the whole log is one partition.
                    if self._wanted(one.topic):
                        event = kafka_record.event(one)
                        yield _in_one(event)
            except DELETED as gone:
                raise LogGap(
                    f"{self._topic} holds no more what follows position {merge.last}: {gone}"
                ) from gone
            if self._consumer is None:
                return
            await self.close()
            merge = Merge(merge.last)

    async def _rows(
        self, consumer: AIOKafkaConsumer, merge: Merge, patience: Patience
    ) -> AsyncIterator[kafka_record.Row]:
        """What follows, until the topic has other partitions than it had, or nothing more comes.

        Then it is opened anew.
        """
        await _known(consumer, self._topic, patience)
        partitions = _partitions(consumer, self._topic)
        try:
            begins = {one: await _behind(consumer, one, merge.last) for one in partitions}
        except DELETED:
            raise
        except GONE as gone:
            await patience.wait(gone)
            return
        patience.lives()
        consumer.assign(partitions)
        for one, offset in begins.items():
            consumer.seek(one, offset)
        fetcher, paused = Fetcher(consumer, patience), set[TopicPartition]()
        heard_s = time.monotonic()
        while self._consumer is consumer and not fetcher.stands_still:
            batch = await fetcher.batch()
            rows = [kafka_record.row(record) for records in batch.values() for record in records]
            for one in merge.add(rows):
                yield one
            self._steer(consumer, merge, paused)
            now_s = time.monotonic()
            if rows:
                heard_s = now_s
            elif merge.missing and now_s - heard_s > self._patience_s and await fetcher.has_all():
                last, first = merge.missing
                raise LogGap(f"{self._topic} has nothing between positions {last} and {first}")
            if _partitions(consumer, self._topic) != partitions:
                return

    def _steer(self, consumer: AIOKafkaConsumer, merge: Merge, paused: set[TopicPartition]) -> None:
        """Fetch no more of a partition that is far ahead of the others."""
        for one in consumer.assignment():
            if one not in paused and merge.is_full(one.partition):
                consumer.pause(one)
                paused.add(one)
            elif one in paused and merge.has_room(one.partition):
                consumer.resume(one)
                paused.discard(one)


def _in_one(event: Event) -> Event:
    return msgspec.structs.replace(event, partition=0)


async def _known(consumer: AIOKafkaConsumer, topic: str, patience: Patience) -> None:
    """Wait until the broker has told what partitions the topic has."""
    consumer.assign([TopicPartition(topic, 0)])
    while not consumer.partitions_for_topic(topic):
        await patience.wait(f"nothing is known of {topic} yet")


def _partitions(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """As of the last look at the topic, `METADATA_MS` ago at most."""
    known = consumer.partitions_for_topic(topic) or ()
    return [TopicPartition(topic, one) for one in sorted(known)]


async def _behind(consumer: AIOKafkaConsumer, partition: TopicPartition, after: int) -> int:
    """An offset at or shortly before the first record behind a position.

    TimeoutError if the broker does not say it within `START_S`.
    """
    async with asyncio.timeout(START_S):
        low = int((await consumer.beginning_offsets([partition]))[partition])
        high = int((await consumer.end_offsets([partition]))[partition])
        if after <= 0:
            return low
        consumer.assign([partition])
        while high - low > NEAR_OFFSETS:
            middle = (low + high) // 2
            consumer.seek(partition, middle)
            found = await consumer.getmany(partition, timeout_ms=SEEK_MS, max_records=1)
            records = found.get(partition)
            if records and kafka_record.row(records[0]).position <= after:
                low = records[0].offset
            else:
                high = middle
        return low
