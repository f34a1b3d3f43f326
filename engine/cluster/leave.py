"""Leaves Kafka, whatever the consumer is in the middle of.

A stop that meets its own broken fetches ends as if it were cancelled, and one whose broker is gone
waits for it. Neither may end, or hold up, the task that only wants to begin anew.
"""

from __future__ import annotations

import asyncio
import logging

from aiokafka import AIOKafkaConsumer

log_ = logging.getLogger("sagastack.kafka")

CLOSE_S = 5.0


async def leave(consumer: AIOKafkaConsumer) -> None:
    """Stop the consumer; if that does not end well or in time, close at least its connections."""
    for close in (consumer.stop, consumer._client.close):
        leaving = asyncio.ensure_future(close())
        await asyncio.wait({leaving}, timeout=CLOSE_S)
        if not leaving.done():
            leaving.cancel()
        elif not leaving.cancelled() and leaving.exception() is None:
            return
    log_.debug("a consumer could not be closed in order")
