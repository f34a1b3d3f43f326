"""The log as Kafka has it, read in the log's order: every row once, none left out, for ever.

All partitions are read without a consumer group: whoever reads keeps the position of the last row
that it handled and starts behind it again. Only committed records count. The consumer goes on by
itself when the broker does; when it is silent for long, another one takes its place, and begins
where this one stopped. A log of which Kafka lost a part is an error and never read as if whole.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from engine.clock import Clock
from engine.cluster.leave import leave
from engine.cluster.merge import AHEAD_BYTES, Disorder, Merge
from engine.cluster.records import all_placed, placed
from engine.log.errors import LogError, Unreadable
from engine.log.unit import Stored

log_ = logging.getLogger("sagastack.kafka")

BATCH_ROWS = 1_000
# Of each partition at a time: while little is worked on, the broker makes ready what is next.
FETCH_BYTES = 64 * 1024
POLL_MS = 500
ASK_MS = 10_000
RETRY_S = 1.0
SILENT_S, RENEW_S = 5.0, 30.0
GAP_S = 30.0
MARGIN_MS = 600_000
"""How far the clocks of controllers may be apart: a start by time begins this much earlier."""


class Unfit(LogError):
    """A record that is no row of this log, or not where it must be."""


class Incomplete(LogError):
    """Kafka does not have all rows that it had: this log cannot be read from it."""


class KafkaRows:
    """One reader of one topic. `lag` is how many records it knows of and has not read yet."""

    def __init__(
        self,
        servers: str,
        topic: str,
        clock: Clock,
        *,
        gap_s: float = GAP_S,
        ahead_bytes: int = AHEAD_BYTES,
        batch_rows: int = BATCH_ROWS,
    ) -> None:
        self._servers, self._topic, self._clock, self._gap_s = servers, topic, clock, gap_s
        self._ahead_bytes, self._batch_rows = ahead_bytes, batch_rows
        self.name = f"topic {topic} at Kafka {servers}"
        self.connected = False
        self.lag = 0
        self.position = 0

    async def batches(
        self, after: int, *, at_ms: int = 0, margin_ms: int = MARGIN_MS, to_end: bool = False
    ) -> AsyncGenerator[list[Stored], None]:
        """Rows behind `after`, as they come. Close it (`contextlib.aclosing`) when done.

        `at_ms` is when the row at `after` was recorded: what is older than that by `margin_ms` is
        not read at all, so a clock that was set back by more would hide rows. `to_end` ends behind
        the last row that is there when it begins.
        """
        reading = _Reading(Merge(after, ahead_bytes=self._ahead_bytes), at_ms - margin_ms, to_end)
        self.position = after
        while True:
            try:
                async with self._consumer() as consumer:
                    await self._place(consumer, reading)
                    async for rows in self._read(consumer, reading):
                        self.position = rows[-1].position
                        yield rows
                if reading.done:
                    return
                log_.warning("%s tells nothing: connecting anew", self.name)
            except (KafkaError, OSError, TimeoutError) as why:
                told = str(why) or type(why).__name__
                log_.warning("%s cannot be read: %s", self.name, told)
            self.connected = False
            await self._clock.sleep(RETRY_S)

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._servers,
            isolation_level="read_committed",
            enable_auto_commit=False,
            max_partition_fetch_bytes=FETCH_BYTES,
            auto_offset_reset="earliest",  # What is then missing is seen by its position.
            request_timeout_ms=ASK_MS,
        )
        try:
            await consumer.start()
            yield consumer
        finally:
            await leave(consumer)

    async def _place(self, consumer: AIOKafkaConsumer, reading: _Reading) -> None:
        """Take all partitions, each at the first record that can matter."""
        await consumer.end_offsets([TopicPartition(self._topic, 0)])  # Learns of the topic.
        numbers = consumer.partitions_for_topic(self._topic) or ()
        every = [TopicPartition(self._topic, number) for number in sorted(numbers)]
        if not reading.places:
            # The ends are asked for first: what comes meanwhile lies behind them.
            reading.ends = await consumer.end_offsets(every)
            reading.places = await self._beginnings(consumer, every, reading)
        consumer.assign(every)
        for partition in every:
            consumer.seek(partition, reading.places.get(partition, 0))

    async def _beginnings(
        self, consumer: AIOKafkaConsumer, every: list[TopicPartition], reading: _Reading
    ) -> dict[TopicPartition, int]:
        if reading.merge.last == 0 or reading.since_ms <= 0:
            begins: dict[TopicPartition, int] = await consumer.beginning_offsets(every)
            return begins
        found = await consumer.offsets_for_times(dict.fromkeys(every, reading.since_ms))
        return {
            one: told.offset if (told := found.get(one)) else reading.ends[one] for one in every
        }

    async def _read(
        self, consumer: AIOKafkaConsumer, reading: _Reading
    ) -> AsyncIterator[list[Stored]]:
        """Batches until the end is reached, or until the broker was silent for long."""
        merge, every = reading.merge, sorted(consumer.assignment())
        reading.heard_at = reading.taken_at = _monotonic_s()
        while not reading.done and _monotonic_s() - reading.heard_at < RENEW_S:
            self._pause(consumer, every, merge.ahead())
            found = await consumer.getmany(timeout_ms=POLL_MS, max_records=self._batch_rows)
            for partition, records in found.items():
                self._offer(merge, partition.partition, records)
            for partition in every:
                reading.places[partition] = await consumer.position(partition)
            while rows := merge.take(self._batch_rows):
                reading.taken_at = _monotonic_s()
                yield rows
            self._look(consumer, every, reading)
            self._check(reading)
            await self._clock.sleep(0)  # What is fetched already is given without any wait.

    def _pause(
        self, consumer: AIOKafkaConsumer, every: Sequence[TopicPartition], ahead: Collection[int]
    ) -> None:
        paused = consumer.paused()
        for one in every:
            if one.partition in ahead and one not in paused:
                consumer.pause(one)
            elif one in paused and one.partition not in ahead:
                consumer.resume(one)

    def _offer(self, merge: Merge, partition: int, records: Sequence[ConsumerRecord]) -> None:
        try:
            merge.offer(partition, all_placed(records))
        except Unreadable as why:
            at = next(one.offset for one in records if not _is_row(one))
            raise self._unfit(partition, at, str(why)) from why
        except Disorder as why:
            rows = zip(records, all_placed(records), strict=True)
            at = next(one.offset for one, (row, _) in rows if row.position == why.position)
            raise self._unfit(partition, at, str(why)) from why

    def _unfit(self, partition: int, offset: int, why: str) -> Unfit:
        return Unfit(
            f"topic {self._topic}, partition {partition}, offset {offset}: {why}. Only the relay "
            "may write to this topic; publish the log anew under another prefix of topics"
        )

    def _look(
        self, consumer: AIOKafkaConsumer, every: Sequence[TopicPartition], reading: _Reading
    ) -> None:
        """What the last answers of the broker tell: that it is there, and how much is left."""
        heard = [consumer.last_poll_timestamp(one) for one in every]
        if heard != reading.heard:
            reading.heard, reading.heard_at = heard, _monotonic_s()
        self.connected = _monotonic_s() - reading.heard_at < SILENT_S and any(heard)
        left = {
            one: max(0, (consumer.last_stable_offset(one) or 0) - reading.places[one])
            for one in every
        }
        self.lag = sum(left.values()) + reading.merge.waiting
        paused = consumer.paused()
        reading.all_read = all(heard) and not any(
            many for one, many in left.items() if one not in paused
        )

    def _check(self, reading: _Reading) -> None:
        """Is the end reached, or is something missing that nobody will bring any more?"""
        merge = reading.merge
        if reading.to_end and reading.target is None and reading.at_ends:
            reading.target = merge.newest
        if reading.target is not None and merge.last >= reading.target:
            reading.done = True
        if (missing := merge.missing) is None:
            return
        # The rows of a partition are in order, so the next one is not behind one that waits.
        nowhere = len(merge.held()) == len(reading.places)
        waited_s = _monotonic_s() - reading.taken_at
        if nowhere or (reading.all_read and self.connected and waited_s > self._gap_s):
            raise Incomplete(
                f"topic {self._topic}: rows behind position {missing[0]} up to {missing[1]} are "
                "missing. Did the topic lose its oldest records (it must keep them for ever), or "
                "was a partition emptied? Publish the log anew under another prefix of topics"
            )


def _is_row(one: ConsumerRecord) -> bool:
    try:
        placed(one.key, one.value, one.headers)
    except Unreadable:
        return False
    return True


class _Reading:
    """How far one reading is; it outlives the consumers that serve it."""

    def __init__(self, merge: Merge, since_ms: int, to_end: bool) -> None:
        self.merge, self.since_ms, self.to_end = merge, since_ms, to_end
        self.places: dict[TopicPartition, int] = {}
        self.ends: dict[TopicPartition, int] = {}
        self.heard: list[int | None] = []
        self.heard_at = self.taken_at = 0.0
        self.all_read = self.done = False
        self.target: int | None = None

    @property
    def at_ends(self) -> bool:
        return all(self.places[one] >= end for one, end in self.ends.items())


def _monotonic_s() -> float:
    return asyncio.get_running_loop().time()
