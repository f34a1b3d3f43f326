"""The relay carries the log to Kafka: every row once, in order, with none left out.

Each batch is one transaction that also notes its last position, so a relay goes on exactly behind
what is committed: after a crash, and after another relay. The name of its transactions is fixed;
a relay that begins fences the one before, even one that only slept. Kafka is a copy: while it
is away nothing waits for it, and when it is back the relay goes on where it was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aiokafka.errors import KafkaError

from aggregates.base import Recorded
from aggregates.identity import IDENTITY, IdentityRestored
from engine.clock import Clock
from engine.cluster.published import KEY, Published, encode, last_published
from engine.cluster.publisher import SLICE, Fenced, Place, Publisher, opened
from engine.cluster.records import Record, partition, record
from engine.cluster.topics import KafkaGone, Topics, TopicsWrong, ensure
from engine.log import Log, LogUnavailable, Stored
from engine.log.identity import identity

log_ = logging.getLogger("sagastack.relay")

# A transaction costs the same whatever its size; but a thread that reads many rows at once keeps
# the interpreter from the event loop.
BATCH_ROWS, READ_ROWS = 2_000, 250
# Other controllers write too; what they wrote is found by looking, at the latest.
POLL_S = 0.5
FIRST_DELAY_S, LONGEST_DELAY_S = 0.25, 4.0
# Long enough for a lease that was lost to be noticed: no two relays fence each other in turns.
FENCED_S = 4.0


@dataclass(slots=True)
class RelayFigures:
    """What the relay of this process has done; only the event loop's thread writes it."""

    running: bool = False
    connected: bool = False
    position: int = 0
    end: int = 0
    events: int = 0
    batches: int = 0
    errors: int = 0
    fenced: int = 0
    last_error: str = ""

    @property
    def lag(self) -> int:
        """How many positions of the log are not in Kafka yet, as far as is known here."""
        return max(0, self.end - self.position)


class _Batch(NamedTuple):
    """Some rows of the log, ready to be published."""

    rows: int
    last: int
    records: dict[Place, list[Record]]


class Relay:
    """Give `run` to the lease `relay`. One object serves for as many turns as it gets."""

    def __init__(self, log: Log, servers: str, topics: Topics, clock: Clock) -> None:
        self.figures = RelayFigures()
        self._log, self._servers, self._topics, self._clock = log, servers, topics, clock
        self._news = asyncio.Event()
        self._source = ""
        log.listen(self._heard)

    def _heard(self, batch: Sequence[Recorded]) -> None:
        self.figures.end = batch[-1].position
        self._news.set()

    async def run(self, token: int) -> None:
        """Publish until cancelled, whatever happens to Kafka or to the log's store."""
        log_.info("the relay begins (token %d)", token)
        figures, delay_s = self.figures, FIRST_DELAY_S
        figures.running = True
        try:
            while True:
                before = figures.batches
                least_s = await self._attempt()
                figures.connected = False
                if figures.batches > before:
                    delay_s = FIRST_DELAY_S
                await self._clock.sleep(max(least_s, delay_s))
                delay_s = min(2 * delay_s, LONGEST_DELAY_S)
        finally:
            figures.running = figures.connected = False

    async def _attempt(self) -> float:
        """One life, however it ends; gives the least time to wait before the next."""
        figures = self.figures
        try:
            await self._life()
        except Fenced as fenced:
            figures.fenced += 1
            self._tell(str(fenced))
            return FENCED_S
        except TopicsWrong as wrong:
            figures.errors += 1
            self._tell(f"nothing is published: {wrong}")
            return LONGEST_DELAY_S
        except (KafkaError, KafkaGone, LogUnavailable, OSError, TimeoutError) as error:
            figures.errors += 1
            self._tell(f"{str(error) or type(error).__name__}; it tries again")
        return 0.0

    def _tell(self, trouble: str) -> None:
        """Each trouble once, however long it lasts."""
        if trouble != self.figures.last_error:
            log_.warning("the relay: %s", trouble)
        self.figures.last_error = trouble

    async def _life(self) -> None:
        """From one connection to its loss. The order matters: fence, then read how far it is."""
        await ensure(self._servers, self._topics)
        name = f"{self._topics.prefix}.relay"
        async with opened(self._servers, name, self._clock) as publisher:
            last = await last_published(self._servers, self._topics.relay)
            await self._agree(last)
            self.figures.position, self.figures.connected = last.position, True
            self.figures.last_error = ""
            log_.info("the relay goes on behind position %d", last.position)
            await self._follow(publisher, last.position)

    async def _agree(self, last: Published) -> None:
        """What is in Kafka must be the beginning of this very log."""
        self.figures.end = max(self.figures.end, await self._log.position())
        if last.position == 0:
            return
        rows = await self._log.read_stored(last.position - 1, limit=1)
        ours = Published()
        if rows:
            source = await source_of(self._log)
            ours = Published(rows[0].position, name_of(rows[0]), source)
        if ours != last:
            raise TopicsWrong(
                f"the topics {self._topics.prefix}.* hold events up to position {last.position} "
                f"({last.source}, {last.id}) that this log has not: it belongs to another cloud, "
                "or was restored to an earlier state. Choose another prefix for the topics, or "
                "remove these while no controller runs: the log is then published anew"
            )

    async def _follow(self, publisher: Publisher, position: int) -> None:
        """Publish what lies behind `position`, then what comes.

        While Kafka takes in one batch the next one is read and put together.
        """
        batch = await self._read(position)
        while True:
            if batch is None:
                await self._wait()
                batch = await self._read(position)
                continue
            position = batch.last
            try:
                async with asyncio.TaskGroup() as group:
                    following = group.create_task(self._read(position), name="relay reads ahead")
                    await publisher.publish(batch.records)
            except BaseExceptionGroup as several:
                raise several.exceptions[0] from None
            figures = self.figures
            figures.position, figures.end = position, max(figures.end, position)
            figures.events += batch.rows
            figures.batches += 1
            batch = following.result()

    async def _read(self, position: int) -> _Batch | None:
        """The batch behind a position; None at the log's end."""
        self._news.clear()
        rows: list[Stored] = []
        while len(rows) < BATCH_ROWS:
            behind = rows[-1].position if rows else position
            limit = min(READ_ROWS, BATCH_ROWS - len(rows))
            rows += (some := await self._log.read_next(behind, limit=limit))
            if len(some) < limit:
                break
        if not rows:
            return None
        self._source = self._source or await source_of(self._log)
        return _Batch(len(rows), rows[-1].position, await self._placed(rows, position))

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(POLL_S):
                await self._news.wait()
        except TimeoutError:
            return

    async def _placed(self, rows: Sequence[Stored], previous: int) -> dict[Place, list[Record]]:
        """The rows' records by partition, and the note that they are published."""
        source = self._source
        placed: dict[Place, list[Record]] = {}
        topic, partitions = self._topics.events, self._topics.partitions
        for number, row in enumerate(rows, 1):
            one = record(row, previous, source)
            place = (topic, partition(one.key, partitions))
            placed.setdefault(place, []).append(one)
            previous = row.position
            if number % SLICE == 0:
                await self._clock.sleep(0)
        last = rows[-1]
        note = Published(position=last.position, id=name_of(last), source=source)
        placed[(self._topics.relay, 0)] = [Record(KEY, encode(note), one.timestamp_ms, [])]
        return placed


def name_of(row: Stored) -> str:
    """What names a row among all rows of all clouds: the same as its `ce_id`."""
    return f"{row.stream}/{row.version}"


async def source_of(log: Log) -> str:
    """What names the cloud of a log that is not empty, as a CloudEvents source."""
    first = (await log.read_stored(0, limit=1))[0]
    told = await log.read_stream(IDENTITY)
    last = told[-1].event if told else None
    cloud = last.cloud_id if isinstance(last, IdentityRestored) else identity(first, None)
    return f"/sagastack/{cloud}"
