"""Events in handfuls, for effects that are cheaper together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from consumers.event import Event
from consumers.stream import Stream


async def batches(stream: Stream, size: int, linger_s: float) -> AsyncIterator[list[Event]]:
    """What comes together, in lists; the first of each is not kept waiting for a full one."""
    events = aiter(stream)
    coming: asyncio.Future[Event] = asyncio.ensure_future(anext(events))
    try:
        while True:
            batch: list[Event] = []
            while len(batch) < size:
                await asyncio.wait({coming}, timeout=linger_s if batch else None)
                if not coming.done():
                    break
                try:
                    batch.append(coming.result())
                except StopAsyncIteration:
                    if batch:
                        yield batch
                    return
                coming = asyncio.ensure_future(anext(events))
            yield batch
    finally:
        coming.cancel()
        await asyncio.wait({coming})
        await stream.close()


async def commit(stream: Stream, batch: Sequence[Event]) -> None:
    """A whole batch is dealt with, in each of its partitions."""
    for last in {one.partition: one for one in batch}.values():
        await stream.commit(last)
