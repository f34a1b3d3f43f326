"""Publishes made-up rows as the relay publishes the log's: in transactions, keyed by stream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import TracebackType
from typing import Self
from uuid import UUID, uuid5

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic

from engine.cluster.records import record
from engine.log.unit import Stored

AT_MS = 1_700_000_000_000
ROOM = UUID(int=0x5A6A)


def stream_of(number: int) -> UUID:
    return uuid5(ROOM, str(number))


class Publisher:
    """Positions have holes, as PostgreSQL's have: each is `step` behind the one before."""

    def __init__(self, servers: str, prefix: str, *, partitions: int = 3, step: int = 2) -> None:
        self._servers, self.topic = servers, f"{prefix}.events"
        self._partitions, self._step = partitions, step
        self._versions: dict[UUID, int] = {}
        self.position = 0
        self.ids: list[str] = []

    async def __aenter__(self) -> Self:
        await self.connect()
        keep = {"retention.ms": "-1"}  # These rows are from long ago.
        topic = NewTopic(self.topic, self._partitions, 1, topic_configs=keep)
        await self._admin.create_topics([topic])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.disconnect()

    async def connect(self) -> None:
        self._admin = AIOKafkaAdminClient(bootstrap_servers=self._servers)
        await self._admin.start()
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._servers, transactional_id=f"{self.topic}-relay"
        )
        await self._producer.start()

    async def disconnect(self) -> None:
        await self._producer.stop()
        await self._admin.close()

    async def grow(self, partitions: int) -> None:
        await self._admin.create_partitions({self.topic: NewPartitions(partitions)})
        self._partitions = partitions

    async def publish(
        self, streams: Sequence[UUID], topic: str = "toy.made", *, lose: int = 0
    ) -> None:
        """A transaction with one event for each of these streams; the first `lose` are left out."""
        async with self._producer.transaction():
            for number, stream in enumerate(streams):
                await self._one(stream, topic, lost=number < lose)

    async def aborted(self, streams: Sequence[UUID]) -> None:
        """A transaction that comes to nothing: what a relay does that dies and begins again."""
        kept = (self.position, list(self.ids), dict(self._versions))
        await self._producer.begin_transaction()
        for stream in streams:
            await self._one(stream, "toy.made", lost=False)
        await self._producer.abort_transaction()
        self.position, self.ids, self._versions = kept

    async def _one(self, stream: UUID, topic: str, *, lost: bool) -> None:
        previous, self.position = self.position, self.position + self._step
        version = self._versions[stream] = self._versions.get(stream, 0) + 1
        self.ids.append(f"{stream}/{version}")
        if lost:
            return
        state = json.dumps({"at": AT_MS, "d": {"number": self.position}}).encode()
        row = Stored(self.position, stream, version, topic, state)
        made = record(row, previous, "/sagastack/test")
        await self._producer.send(
            self.topic,
            key=made.key,
            value=made.value,
            timestamp_ms=made.timestamp_ms,
            headers=made.headers,
        )
