"""Keeps a controller's folds in step with what others write: by Kafka, and by the store itself.

Kafka brings the rows, so that the number of controllers costs the store little. The store is asked
now and then all the same: while Kafka is gone, or its relay, the cloud goes on.

A controller that writes much learns what others wrote at each of its commits, which ask the store
anyway. Reading Kafka as well is then work for nothing: it rests, until the controller writes less.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Protocol

from engine.clock import Clock, steady_s
from engine.cluster.kafka_rows import MARGIN_MS
from engine.log import Log, LogError, LogUnavailable, Stored
from projections.cloud import Cloud

log_ = logging.getLogger("sagastack.follower")

POLL_S = 0.5
# Who commits so many units a second asks the store often enough; then Kafka rests for a while.
BUSY_PER_S, BUSY_S, REST_S = 20, 1.0, 5.0
# What was written meanwhile was written in order of its times: no clock is to be feared.
REST_MARGIN_MS = 10_000


class Source(Protocol):
    """Rows in log order from elsewhere than the store."""

    def batches(
        self, after: int, *, at_ms: int = 0, margin_ms: int = MARGIN_MS
    ) -> AsyncGenerator[list[Stored], None]:
        """The rows behind a position, recorded at that time, and then those that come."""


class Follower:
    """`cloud` is what this controller has folded."""

    def __init__(
        self,
        log: Log,
        source: Source,
        clock: Clock,
        cloud: Cloud,
        *,
        steady: Callable[[], float] = steady_s,
    ) -> None:
        self._log, self._source, self._clock, self._cloud = log, source, clock, cloud
        self._steady = steady

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._by_kafka(), name="follow Kafka")
            group.create_task(self._by_store(), name="follow the store")

    async def _by_kafka(self) -> None:
        """A topic that is not this log, or not all of it, is told, and the store goes on alone."""
        try:
            await self._until_busy(MARGIN_MS)
            while True:
                await self._rest()
                await self._until_busy(REST_MARGIN_MS)
        except LogError as wrong:
            log_.error("Kafka is not followed any more, the store is: %s", wrong)

    async def _until_busy(self, margin_ms: int) -> None:
        """Read Kafka until this controller writes so much that it need not."""
        cloud, since_s, written = self._cloud, self._steady(), self._log.stats.units
        batches = self._source.batches(cloud.position, at_ms=cloud.at_ms, margin_ms=margin_ms)
        async with aclosing(batches) as source:
            async for rows in source:
                if rows[-1].position > cloud.position:
                    await self._look(rows)
                now_s, units = self._steady(), self._log.stats.units
                if now_s - since_s >= BUSY_S:
                    if units - written >= BUSY_PER_S * (now_s - since_s):
                        return
                    since_s, written = now_s, units

    async def _rest(self) -> None:
        """Until this controller writes less."""
        while True:
            written = self._log.stats.units
            await self._clock.sleep(REST_S)
            if self._log.stats.units - written < BUSY_PER_S * REST_S:
                return

    async def _by_store(self) -> None:
        while True:
            await self._clock.sleep(POLL_S)
            await self._look(())

    async def _look(self, rows: Sequence[Stored]) -> None:
        try:
            await self._log.look(rows)
        except LogUnavailable as error:
            log_.warning("not in step for now: %s", error)
            await self._clock.sleep(POLL_S)
