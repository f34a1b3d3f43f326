"""Kafka read by a consumer group: members share the partitions, each object's events in order.

A partition moves to another member when one comes, goes or is silent. What was not committed by
then comes again there. Offsets are committed behind the last event that was dealt with, and behind
what nobody asked for that follows it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from consumers import kafka_record
from consumers.errors import SourceGone
from consumers.event import Event
from consumers.kafka_reader import Fetcher, closed, opened
from consumers.patience import Patience
from consumers.stream import Stream

UNWANTED_MAX = 5_000


class _Given(NamedTuple):
    """A record that was taken from a partition, and whether anybody was shown it."""

    position: int
    next_offset: int
    wanted: bool


class KafkaGroupStream(Stream, ConsumerRebalanceListener):  # type: ignore[misc]
    """One member of a group."""

    def __init__(
        self,
        servers: str,
        topic: str,
        group: str,
        member: str = "",
        *,
        patience_s: float,
        topics: Iterable[str],
    ) -> None:
        super().__init__(after=None, topics=topics, checkpoint=None)
        self._servers, self._topic = servers, topic
        self._group, self._member = group, member or None
        self._patience_s = patience_s
        self._consumer: AIOKafkaConsumer | None = None
        self._given: dict[int, deque[_Given]] = {}

    async def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await closed(consumer)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        for one in revoked:
            self._given.pop(one.partition, None)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        for one in assigned:
            self._given[one.partition] = deque()

    async def _events(self, after: int) -> AsyncIterator[Event]:
        patience = Patience(f"Kafka at {self._servers}", self._patience_s)
        while True:
            self._consumer = consumer = await opened(
                patience,
                self._topic,
                bootstrap_servers=self._servers,
                group_id=self._group,
                group_instance_id=self._member,
                auto_offset_reset="earliest",
            )
            consumer.subscribe([self._topic], listener=self)
            fetcher = Fetcher(consumer, patience)
            while self._consumer is not None and not fetcher.stands_still:
                for partition, records in (await fetcher.batch()).items():
                    for record in records:
                        if partition not in consumer.assignment():
                            break  # given away meanwhile: its new owner has them
                        one = kafka_record.row(record)
                        wanted = self._wanted(one.topic)
                        self._note(one, wanted)
                        if wanted:
                            yield kafka_record.event(one)
                await self._pass_unwanted()
            if self._consumer is None:
                return
            await self.close()
            self._given.clear()

    def _note(self, one: kafka_record.Row, wanted: bool) -> None:
        given = self._given.setdefault(one.partition, deque())
        given.append(_Given(one.position, one.offset + 1, wanted))

    async def commit(self, event: Event | None = None) -> bool:
        """False: another member has the partition by now, and what was handled may come there."""
        if event is None:
            return await self._commit({p: len(given) for p, given in self._given.items()})
        given = self._given.get(event.partition)
        if given is None:
            return False
        done = sum(1 for one in given if one.position <= event.position)
        return await self._commit({event.partition: done})

    async def _pass_unwanted(self) -> None:
        """Where nothing is wanted for long, move on all the same."""
        idle = {
            p: len(given)
            for p, given in self._given.items()
            if len(given) >= UNWANTED_MAX and not any(one.wanted for one in given)
        }
        if idle:
            await self._commit(idle)

    async def _commit(self, done: dict[int, int]) -> bool:
        offsets: dict[TopicPartition, int] = {}
        for partition, count in done.items():
            given = self._given[partition]
            while count < len(given) and not given[count].wanted:
                count += 1
            if count:
                offsets[TopicPartition(self._topic, partition)] = given[count - 1].next_offset
                for _ in range(count):
                    given.popleft()
        if not offsets or self._consumer is None:
            return self._consumer is not None
        try:
            async with asyncio.timeout(self._patience_s):
                await self._consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError):
            return False
        except (KafkaError, TimeoutError) as gone:
            raise SourceGone(
                f"Kafka at {self._servers} took no commit ({gone!r}): what was handled since the "
                "last one comes again"
            ) from gone
        return True
