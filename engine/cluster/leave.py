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
        try:
            async with asyncio.timeout(CLOSE_S), asyncio.TaskGroup() as leaving:
                closing = leaving.create_task(close())
        except (TimeoutError, ExceptionGroup):
            continue
        if not closing.cancelled():
            return
    log_.debug("a consumer could not be closed in order")
