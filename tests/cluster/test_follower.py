"""When Kafka is read and when the store tells enough: a follower with a source of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any
from uuid import uuid4

from engine.cluster.follower import BUSY_PER_S, REST_S, Follower
from engine.log import Stored


class Source:
    """Rows for ever, and how often it was begun, and behind which position."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.read = 0
        self.closed = 0

    async def batches(
        self, after: int, *, at_ms: int = 0, margin_ms: int = 0
    ) -> AsyncGenerator[list[Stored], None]:
        self.begun.append(after)
        try:
            while True:
                self.read += 1
                yield [Stored(self.read, uuid4(), 1, "topic", b"")]
                await asyncio.sleep(0)
        finally:
            self.closed += 1


class Cluster:
    """A log, a cloud and a clock: each look at the clock is a tenth of a second later."""

    def __init__(self, units_each: float) -> None:
        self.position = self.at_ms = self.units = 0
        self.stats = self
        self.rested: list[float] = []
        self._now_s, self._units_each = 0.0, units_each
        self._units = 0.0

    def steady(self) -> float:
        self._now_s += 0.1
        self._units += self._units_each
        self.units = int(self._units)
        return self._now_s

    async def look(self, rows: Sequence[Stored]) -> None:
        self.position = max([self.position, *(row.position for row in rows)])

    async def sleep(self, duration_s: float) -> None:
        if duration_s == REST_S:
            self.rested.append(duration_s)
        await asyncio.sleep(0)


async def follow(here: Cluster, source: Source, rounds: int) -> None:
    anything: Any = here
    follower = Follower(anything, source, anything, anything, steady=here.steady)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(follower.run())
        for _ in range(rounds):
            await asyncio.sleep(0)
        task.cancel()


async def test_one_that_writes_little_reads_all_the_while() -> None:
    here, source = Cluster(units_each=BUSY_PER_S / 10 * 0.5), Source()
    await follow(here, source, 400)
    assert source.begun == [0] and source.read > 50 and not here.rested


async def test_one_that_writes_much_rests_and_goes_on_where_it_is() -> None:
    here, source = Cluster(units_each=BUSY_PER_S / 10 * 2), Source()
    await follow(here, source, 400)
    assert len(source.begun) > 1 and here.rested, "it rested, and read again when it was over"
    assert source.begun == sorted(source.begun) and source.begun[1] > 0
    assert source.closed == len(source.begun), "what it left was let go"
