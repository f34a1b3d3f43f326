"""Which controller drives which saga: the partitions of a Kafka topic, shared by a consumer group.

A run belongs to the partition that its id falls on, and to the controller that the group gave that
partition. There are no records: the group is all that the topic is for. Ownership only spares two
controllers the same work; that nothing is done twice is the fence's (`engine/fence.py`).

While Kafka is gone everybody keeps what it had, and the cloud goes on. A controller that was
paused for longer than the group waits has lost all that it had, and knows it before it is told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError

from engine.clock import Clock, steady_s
from engine.cluster.leave import leave

log_ = logging.getLogger("sagastack.ownership")

SESSION_S = 6.0
HEARTBEAT_S = 1.0
BEAT_S = 0.5
AGAIN_S = 1.0
# There are no records: how long the broker may take to say so each time.
NOTHING_S = 5.0
TRIES = 200

Changed = Callable[[], Awaitable[None]]


class Partitions:
    """This controller's part of all runs. `run` joins the group and stays until it is cancelled.

    `steady` is a clock that nobody sets, in seconds, and that goes on while the process is paused.
    """

    alone = False

    def __init__(
        self,
        servers: str,
        topic: str,
        count: int,
        clock: Clock,
        *,
        steady: Callable[[], float] = steady_s,
    ) -> None:
        self._servers, self._topic, self._count = servers, topic, count
        self._clock, self._steady = clock, steady
        self._mine: frozenset[int] = frozenset()
        self._beat_s = steady()
        self._given_up = False

    @property
    def mine(self) -> frozenset[int]:
        """The partitions that are ours."""
        return self._mine

    def owns(self, run_id: UUID) -> bool:
        awake = self._steady() - self._beat_s < SESSION_S
        return awake and run_id.int % self._count in self._mine

    def pick(self, random_id: Callable[[], UUID]) -> UUID:
        """A random id that falls on us; any, if none does for long or nothing is ours."""
        for _ in range(TRIES if self._mine else 0):
            if self.owns(found := random_id()):
                return found
        return random_id()

    async def run(self, changed: Changed) -> None:
        """Be a member of the group. `changed` is called whenever other partitions are ours."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beat(changed), name="saga ownership: beat")
            group.create_task(self._belong(changed), name="saga ownership")

    async def _beat(self, changed: Changed) -> None:
        """Notice that we were paused for so long that the group has given us up."""
        while True:
            await self._clock.sleep(BEAT_S)
            now_s = self._steady()
            if now_s - self._beat_s >= SESSION_S and self._mine:
                log_.warning("paused for %.1f s: all sagas are others' now", now_s - self._beat_s)
                # Come anew: a group that did not notice, or whose broker slept too, tells nothing.
                self._mine, self._given_up = frozenset(), True
                await changed()
            self._beat_s = self._steady()

    async def _belong(self, changed: Changed) -> None:
        while True:
            try:
                await self._member(changed)
            except (KafkaError, OSError) as error:
                log_.warning("Kafka at %s, going on with what is ours: %r", self._servers, error)
            await self._clock.sleep(AGAIN_S)

    async def _member(self, changed: Changed) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._servers,
            group_id=self._topic,
            enable_auto_commit=False,
            session_timeout_ms=int(SESSION_S * 1000),
            heartbeat_interval_ms=int(HEARTBEAT_S * 1000),
            rebalance_timeout_ms=int(SESSION_S * 1000),
            fetch_max_wait_ms=int(NOTHING_S * 1000),
            partition_assignment_strategy=(StickyPartitionAssignor,),
        )
        consumer.subscribe([self._topic], listener=_Listener(self, changed))
        try:
            await consumer.start()
            self._given_up = False
            while not self._given_up:
                await consumer.getmany(timeout_ms=1000)
        finally:
            await leave(consumer)

    async def given(self, partitions: frozenset[int], changed: Changed) -> None:
        if partitions != self._mine:
            log_.info("sagas of %d of %d partitions are ours", len(partitions), self._count)
            self._mine = partitions
            await changed()


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """What is given up counts only once it is known what is had instead: usually the same."""

    def __init__(self, ours: Partitions, changed: Changed) -> None:
        self._ours, self._changed = ours, changed

    async def on_partitions_revoked(self, revoked: list[TopicPartition]) -> None: ...

    async def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        await self._ours.given(frozenset(one.partition for one in assigned), self._changed)
