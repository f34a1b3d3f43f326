"""How fast this machine is at what others wrote, against the one that the budgets were set on.

Each yardstick is somebody else's code doing a known thing, and was measured on that machine too. It
says whether a figure that misses its budget is slow code or a slow machine. No budget is moved by
it, but the processor's speed is taken before and after each benchmark, and what misses its budget
says what it would be there. The library's events are of our own making, so that figure is the less
certain.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from eventsourcing.domain import DomainEvent
from eventsourcing.persistence import DatetimeAsISO, JSONTranscoder, Mapper, UUIDAsHex
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

from benchmarks.child import child
from benchmarks.lists import cost_us, ready_made

HTTP, LIBRARY, DISK = 38_600, 179_000, 8_000
"""A second, on that machine: small answers of a bare aiohttp application with uvloop; events read
and decoded by `eventsourcing`; commits of one row by SQLite, in full sync."""
SMALL = b'{"answer": {"id": 12345, "state": "Running"}}'
EVENTS, COMMITS, ROUNDS = 10_000, 500, 5
Row = dict[str, Any]


@dataclass(frozen=True)
class Written(DomainEvent):
    """As large as a usual event, in the library's way."""

    name: str
    cpu_count: int
    memory_mib: int
    account_id: UUID


async def measure() -> list[Row]:
    return [
        _row("http", await http_rate(), "small answers/s", HTTP),
        _row("library", library_rate(), "events decoded/s", LIBRARY),
        _row("disk", commit_rate(), "commits of a row/s", DISK),
    ]


def speed() -> float:
    """How fast its processor is just now, against that machine's. Where others' work goes on beside
    it that changes from minute to minute."""
    return library_rate() / LIBRARY


def _row(name: str, rate: float, unit: str, limit: int) -> Row:
    told = {"name": f"machine.{name}", "value": round(rate), "unit": unit, "limit": limit}
    return told | {"ratio": round(rate / limit, 2)}


async def http_rate() -> float:
    """Answers in a second of this process's CPU: no fewer than any client could ask it for."""
    async with child("benchmarks.list_load") as reader, ready_made([SMALL]) as urls:
        await cost_us(reader, urls)
        return 1e6 / statistics.median([await cost_us(reader, urls) for _ in range(ROUNDS)])


def library_rate() -> float:
    """Events that one thread reads and decodes in a second of its own."""
    recorder = SQLiteApplicationRecorder(SQLiteDatastore(":memory:"))
    recorder.create_table()
    transcoder = JSONTranscoder()
    transcoder.register(UUIDAsHex())
    transcoder.register(DatetimeAsISO())
    mapper: Mapper[UUID] = Mapper(transcoder)
    recorder.insert_events([mapper.to_stored_event(_written(at)) for at in range(EVENTS)])
    took_s = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        read = recorder.select_notifications(start=1, limit=EVENTS)
        count = len([mapper.to_domain_event(one) for one in read])
        took_s.append(time.thread_time() - began)
        assert count == EVENTS, f"{count} of {EVENTS} events"
    return EVENTS / statistics.median(took_s)


def _written(number: int) -> Written:
    return Written(
        originator_id=uuid4(), originator_version=1, timestamp=Written.create_timestamp(),
        name=f"i-{number}", cpu_count=2, memory_mib=2048, account_id=uuid4(),
    )  # fmt: skip


def commit_rate() -> float:
    """Rows a second, each committed for itself and on the disk."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        log = sqlite3.connect(f"{folder}/disk.db", isolation_level=None)
        log.execute("pragma journal_mode = wal")
        log.execute("pragma synchronous = full")
        log.execute("create table log (position integer primary key, state blob)")
        took_s = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            for _ in range(COMMITS):
                log.execute("insert into log (state) values (?)", (SMALL * 6,))
            took_s.append(time.perf_counter() - began)
        log.close()
        return COMMITS / statistics.median(took_s)


if __name__ == "__main__":
    for result in asyncio.run(measure()):
        print(result)
