"""Carries the seals of the log to Kafka, so that whoever reads the log there can prove it.

A record is a line of `seals.jsonl`, its key the seal's number. What is there already is told by the
last record. After a change of hands a seal may come twice, which is no harm: it is the same line,
and its number says so.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from engine.clock import Clock
from engine.cluster.published import last_value
from engine.cluster.seal_table import SealTable
from engine.cluster.topics import KafkaGone, Topics, TopicsWrong, ensure
from engine.log import LogUnavailable
from engine.log.errors import DAMAGED
from engine.log.seal import Seal

log_ = logging.getLogger("sagastack.relay")

LOOK_S, AGAIN_S = 1.0, 4.0


class SealRelay:
    """Give `run` to a lease. `url` is the database that has the chain."""

    def __init__(self, url: str, servers: str, topics: Topics, clock: Clock) -> None:
        self._url, self._servers, self._topics, self._clock = url, servers, topics, clock
        self._told = ""

    async def run(self, token: int) -> None:
        """Publish until cancelled, whatever happens to Kafka or to the database."""
        while True:
            try:
                await self._life()
            except (KafkaError, KafkaGone, LogUnavailable, OSError, TimeoutError) as error:
                self._tell(f"{error or type(error).__name__}; it is tried again")
            except TopicsWrong as wrong:
                self._tell(str(wrong))
            await self._clock.sleep(AGAIN_S)

    def _tell(self, trouble: str) -> None:
        if trouble != self._told:
            log_.warning("seals are not published: %s", trouble)
        self._told = trouble

    async def _life(self) -> None:
        await ensure(self._servers, self._topics)
        table = await SealTable.open(self._url)
        try:
            async with self._producer() as producer:
                last = await last_value(self._servers, self._topics.seals)
                number = 0 if last is None else _number(self._topics.seals, last)
                self._told = ""
                while True:
                    for one in await table.after(number):
                        await producer.send_and_wait(
                            self._topics.seals,
                            msgspec.json.encode(one),
                            key=str(one.number).encode(),
                            timestamp_ms=one.at_ms,
                        )
                        number = one.number
                    await self._clock.sleep(LOOK_S)
        finally:
            await table.close()

    @asynccontextmanager
    async def _producer(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(bootstrap_servers=self._servers, enable_idempotence=True)
        try:
            await producer.start()
            yield producer
        finally:
            await producer.stop()


def _number(topic: str, value: bytes) -> int:
    try:
        return msgspec.json.decode(value, type=Seal).number
    except DAMAGED as wrong:
        raise TopicsWrong(
            f"the topic {topic} holds what is no seal ({wrong}): choose another prefix"
        ) from wrong
