"""Somebody outside who follows the log in Kafka from its beginning, through all that goes wrong."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

TOPIC = "sagastack.events"
PAUSE_S, START_S = 1.0, 20.0


@dataclass
class Consumer:
    """What was seen: every `ce_id` with how often, and each key's versions in their order.

    It keeps its own place, so that a broker that goes away and comes back shows it nothing twice.
    """

    servers: str
    topic: str = TOPIC
    seen: Counter[str] = field(default_factory=Counter)
    versions: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    lines_made: int = 0
    owed: int = sys.maxsize
    """All events up to this position have to be seen; those behind it may be."""
    _next: dict[TopicPartition, int] = field(default_factory=dict)

    async def follow(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self._follow_once()
            except (KafkaError, OSError, TimeoutError):
                await asyncio.sleep(PAUSE_S)

    async def _follow_once(self) -> None:
        consumer = AIOKafkaConsumer(
            self.topic,
            bootstrap_servers=self.servers,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=5000,
        )
        try:
            async with asyncio.timeout(START_S):
                await consumer.start()
            self.lines_made += 1
            while True:
                for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                    for record in records:
                        # A new connection begins at the beginning: what was read is passed over.
                        if record.offset >= self._next.get(partition, 0):
                            self._see(record)
                            self._next[partition] = record.offset + 1
        finally:
            await consumer.stop()

    def _see(self, record: object) -> None:
        headers = dict(record.headers)  # type: ignore[attr-defined]
        self.seen[headers["ce_id"].decode()] += 1
        key = record.key.decode()  # type: ignore[attr-defined]
        self.versions[key].append(int(headers["ce_version"]))
