"""Keeps a controller's folds in step with what others write: by Kafka, and by the store itself.

Kafka brings the rows, so that the number of controllers costs the store little. The store is asked
now and then all the same: while Kafka is gone, or its relay, the cloud goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from engine.clock import Clock
from engine.log import Log, LogError, LogUnavailable, Stored
from projections.cloud import Cloud

log_ = logging.getLogger("sagastack.follower")

POLL_S = 0.5


class Source(Protocol):
    """Rows in log order from elsewhere than the store."""

    def batches(self, after: int, *, at_ms: int = 0) -> AsyncIterator[list[Stored]]:
        """The rows behind a position, recorded at that time, and then those that come."""


class Follower:
    """`cloud` is what this controller has folded."""

    def __init__(self, log: Log, source: Source, clock: Clock, cloud: Cloud) -> None:
        self._log, self._source, self._clock, self._cloud = log, source, clock, cloud

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._by_kafka(), name="follow Kafka")
            group.create_task(self._by_store(), name="follow the store")

    async def _by_kafka(self) -> None:
        """A topic that is not this log, or not all of it, is told, and the store goes on alone."""
        cloud = self._cloud
        try:
            async for rows in self._source.batches(cloud.position, at_ms=cloud.at_ms):
                if rows[-1].position > cloud.position:
                    await self._look(rows)
        except LogError as wrong:
            log_.error("Kafka is not followed any more, the store is: %s", wrong)

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
