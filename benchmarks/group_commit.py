"""What group commit is worth: 64 writers through the log, and the same 64 committing one by one.

Both run on SQLite with full sync, in one process and in one run, so the ratio means the same on
every machine. "One by one" is the same log and the same thread with batches of a single unit.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from aggregates.base import Event, event
from engine.log import Append, Log, Unit, writer

WRITERS = 64
UNITS_EACH = 40
ROUNDS = 5
BUDGET = 3.0


@event("logbench.written")
class Written(Event, frozen=True):
    """As large as a usual event."""

    name: str
    cpu_count: int
    memory_mib: int
    note: str


async def rate(folder: str, name: str, batch_events: int) -> float:
    """Acknowledged events per second with at most `batch_events` in a commit."""
    bound, writer.BATCH_EVENTS = writer.BATCH_EVENTS, batch_events
    log = await Log.open(f"sqlite://{folder}/{name}.db", now_ms=lambda: time.time_ns() // 10**6)

    async def write() -> None:
        stream = uuid4()
        for version in range(UNITS_EACH):
            one = Written(name="i-1", cpu_count=2, memory_mib=2048, note="x" * 60)
            await log.append(Unit((Append(stream, version, (one,)),), user=stream))

    try:
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(WRITERS):
                group.create_task(write())
        return WRITERS * UNITS_EACH / (time.perf_counter() - began)
    finally:
        await log.close()
        writer.BATCH_EVENTS = bound


async def measure() -> list[dict[str, Any]]:
    """Alternate both ways, so that a busy machine slows both; compare the medians."""
    alone, together = [], []
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        for n in range(ROUNDS):
            alone.append(await rate(folder, f"alone{n}", 1))
            together.append(await rate(folder, f"together{n}", writer.BATCH_EVENTS))
    limit, value = statistics.median(alone), statistics.median(together)
    return [
        {
            "name": "group commit: 64 writers, acknowledged single-event units",
            "value": round(value),
            "unit": "events/s",
            "limit": round(limit),
            "ratio": round(value / limit, 2),
            "budget": BUDGET,
            "ok": value / limit >= BUDGET,
        }
    ]


if __name__ == "__main__":
    for result in asyncio.run(measure()):
        print(result)
