"""A transactional producer that never waits for ever, and that fences whoever used its name before.

aiokafka repeats what it has begun for as long as Kafka is away, and waits for it when it is
stopped. Here each transaction has a deadline. Once one has failed in any way, its producer is
given up; the next one under the same name ends what was left open, and only then begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidProducerEpoch, ProducerFenced

from engine.clock import Clock
from engine.cluster.records import Record

CONNECT_S, TRANSACTION_S, CLOSE_S = 10.0, 10.0, 1.0
REQUEST_MS, ABORT_MS = 6_000, 20_000
BATCH_BYTES = 256 * 1024
# So many records are put together in one go; then the event loop has its turn.
SLICE = 64
Place = tuple[str, int]


class Fenced(Exception):
    """Another producer has taken the name: this one may not write any more."""


class Publisher:
    """Commits records, all of a call or none. Make one with `opened`; give it up on any error."""

    def __init__(self, producer: AIOKafkaProducer, clock: Clock) -> None:
        self._producer, self._clock = producer, clock

    async def publish(self, records: Mapping[Place, Sequence[Record]]) -> None:
        """Returns when the records are committed, each place's in their order.

        After an error they may be committed, or not: that is told by what can be read.
        """
        try:
            async with asyncio.timeout(TRANSACTION_S):
                await self._producer.begin_transaction()
                sent = [
                    one
                    for (topic, partition), some in records.items()
                    for one in await self._send(topic, partition, some)
                ]
                # The commit itself does not ask whether each batch has arrived.
                for result in await asyncio.gather(*sent, return_exceptions=True):
                    if isinstance(result, BaseException):
                        raise result
                await self._producer.commit_transaction()
        except (ProducerFenced, InvalidProducerEpoch) as error:
            raise Fenced("another relay has begun to publish") from error

    async def _send(
        self, topic: str, partition: int, records: Sequence[Record]
    ) -> list[asyncio.Future[object]]:
        """Queue records for one partition, in as many batches as they need."""
        sent, batch = [], self._producer.create_batch()
        for number, one in enumerate(records, 1):
            while not batch.append(
                key=one.key, value=one.value, timestamp=one.timestamp_ms, headers=one.headers
            ):
                sent.append(await self._producer.send_batch(batch, topic, partition=partition))
                batch = self._producer.create_batch()
            if number % SLICE == 0:
                await self._clock.sleep(0)
        batch.close()
        sent.append(await self._producer.send_batch(batch, topic, partition=partition))
        return sent


@asynccontextmanager
async def opened(servers: str, name: str, clock: Clock) -> AsyncIterator[Publisher]:
    """A publisher under `name`. When it is there, all earlier ones of this name are fenced, and
    what they left open is aborted, or committed if that was decided already."""
    producer = AIOKafkaProducer(
        bootstrap_servers=servers,
        transactional_id=name,
        client_id=name,
        transaction_timeout_ms=ABORT_MS,
        request_timeout_ms=REQUEST_MS,
        max_batch_size=BATCH_BYTES,
    )
    try:
        async with asyncio.timeout(CONNECT_S):
            await producer.start()
        yield Publisher(producer, clock)
    finally:
        await _give_up(producer)


async def _give_up(producer: AIOKafkaProducer) -> None:
    """End the producer's tasks, whatever they wait for, and close its connections.

    Its own `stop` would first wait for all that is queued, however long Kafka is away.
    """
    sender = producer._sender.sender_task
    while sender is not None and not sender.done():
        sender.cancel()  # Again for each request that it still waits for.
        await asyncio.wait({sender}, timeout=0.05)
    _hear_out(producer)
    producer._closed = True
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_S):
            await producer.client.close()


def _hear_out(producer: AIOKafkaProducer) -> None:
    """Take the errors that nobody waits for any more: asyncio would complain of each as unheard."""
    waiting = [producer._txn_manager.wait_for_transaction_end()]
    for batches in producer._message_accumulator._batches.values():
        waiting += [batch._drain_waiter for batch in batches]
    for one in waiting:
        if one is not None and one.done() and not one.cancelled():
            one.exception()
