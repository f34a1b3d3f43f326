"""Does publication keep up: the relay's rate into a real Kafka against the rate of writing the log.

Both are measured in one run with one PostgreSQL, by turns. First 64 writers append as fast as the
log takes it, with nobody publishing; then the relay publishes that backlog. Last, both at once, as
in a controller that holds the relay's lease: how far behind is the relay when the last write ends?
And how long is it from the death (SIGKILL) of one relay until another has published an event?
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.group_commit import Written
from benchmarks.settled import settled
from benchmarks.skipped import Skipped
from engine.clock import SystemClock
from engine.cluster.leases import Leases
from engine.cluster.relay import Relay
from engine.cluster.topics import Topics
from engine.log import Append, Log, Unit
from tests.peers import kafka, postgres

WRITERS, UNITS_EACH, EVENTS = 64, 60, 5
ROUNDS = 3
WAIT_S, POLL_S = 240.0, 0.004
EVENT = Written(name="i-1", cpu_count=2, memory_mib=2048, note="x" * 60)
ROOT = Path(__file__).resolve().parent.parent
CHILD = ROOT / "tests/cluster/relay_child.py"


class Spent:
    """What it takes to do something with all of a round's events: time, and CPU of this process."""

    def __init__(self) -> None:
        self._began_s, self._began_cpu_s = time.perf_counter(), time.process_time()

    def rate(self) -> tuple[float, float]:
        """Events a second, and microseconds of CPU for each."""
        events = WRITERS * UNITS_EACH * EVENTS
        took_s, cpu_s = time.perf_counter() - self._began_s, time.process_time() - self._began_cpu_s
        return events / took_s, cpu_s / events * 1e6


async def write(log: Log) -> tuple[float, float]:
    """Append, as deploys write them: five at a time, each unit to a stream of its own."""

    async def writer() -> None:
        for _ in range(UNITS_EACH):
            await log.append(Unit((Append(uuid4(), 0, (EVENT,) * EVENTS),), user=uuid4()))

    spent = Spent()
    async with asyncio.TaskGroup() as group:
        for _ in range(WRITERS):
            group.create_task(writer())
    return spent.rate()


async def until(true: Callable[[], bool]) -> float:
    """Wait until something is so; gives how long it took."""
    began = time.perf_counter()
    while True:
        if true():
            return time.perf_counter() - began
        await asyncio.sleep(POLL_S)


@asynccontextmanager
async def connected(relay: Relay) -> AsyncIterator[None]:
    async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
        running = group.create_task(relay.run(1))
        await until(lambda: relay.figures.connected)
        yield
        running.cancel()


async def publish(log: Log, relay: Relay) -> tuple[float, float]:
    """From the moment that the relay is connected until it has caught up with one round."""
    end = await log.position()
    async with connected(relay):
        spent = Spent()
        await until(lambda: relay.figures.position >= end)
        return spent.rate()


async def together(log: Log, relay: Relay) -> tuple[float, int, float]:
    """The rate of writing beside the relay; how far behind it is then, and for how long."""
    async with connected(relay):
        (rate, _), lag = await write(log), relay.figures.lag
        end = await log.position()
        return rate, lag, await until(lambda: relay.figures.position >= end)


async def takeover(url: str, servers: str, topics: Topics, log: Log) -> float:
    """Seconds without a relay, when the process that holds the lease is killed."""
    clock = SystemClock()
    leases, relay = Leases(url, "second", clock), Relay(log, servers, topics, clock)
    words = (url, servers, topics.prefix, str(topics.partitions), "leased")
    first = await asyncio.create_subprocess_exec(
        sys.executable, str(CHILD), *words,
        cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert first.stdout is not None
    async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
        while b"connected True" not in (line := await first.stdout.readline()):
            assert line, "the first relay ended by itself"
        waiting = group.create_task(leases.while_held("relay", relay.run))
        await asyncio.sleep(1.0)
        first.kill()
        await log.append(Unit((Append(uuid4(), 0, (EVENT,)),), user=uuid4()))
        end = await log.position()
        took_s = await until(lambda: relay.figures.position >= end)
        waiting.cancel()
    await first.wait()
    await leases.close()
    return took_s


async def measure() -> list[dict[str, Any]]:
    appended, published = [], []
    try:
        with postgres.cluster() as cluster, kafka.broker() as broker, settled():
            url = cluster.database()
            clock = SystemClock()
            log = await Log.open(url, now_ms=clock.now_ms)
            topics = Topics(prefix="bench")
            relay = Relay(log, broker.servers, topics, clock)
            await write(log)
            await publish(log, relay)  # Once unmeasured: the broker compiles itself.
            for _ in range(ROUNDS):
                appended.append(await write(log))
                published.append(await publish(log, relay))
            beside = [await together(log, relay) for _ in range(ROUNDS)]
            gaps = [await takeover(url, broker.servers, topics, log) for _ in range(ROUNDS)]
            await log.close()
    except (kafka.Missing, postgres.Missing) as missing:
        raise Skipped(str(missing)) from missing
    limit, limit_us = (statistics.median(column) for column in zip(*appended, strict=True))
    value, value_us = (statistics.median(column) for column in zip(*published, strict=True))
    rate, lag, behind_s = (statistics.median(column) for column in zip(*beside, strict=True))
    written = WRITERS * UNITS_EACH * EVENTS
    return [
        {
            "name": "relay.keeps_up",
            "value": round(rate),
            "unit": "events/s written",
            "ratio": round((written - lag) / written, 2),
            "note": "the ratio is of events published to events written, when the last write is "
            f"acknowledged: {lag:,.0f} of {written:,} were to come, {behind_s:.2f} s later none",
        },
        {
            "name": "relay.cpu",
            "value": round(value_us, 1),
            "unit": "us of CPU an event",
            "limit": round(limit_us, 1),
            "ratio": round(limit_us / value_us, 2),
            "note": "the controller's own; the limit is what appending an event costs it",
        },
        {
            "name": "relay: a backlog, nobody writing",
            "value": round(value),
            "unit": "events/s published",
            "limit": round(limit),
            "ratio": round(value / limit, 2),
            "note": "the limit is what 64 writers append to PostgreSQL with nobody publishing. Not "
            "judged: it says more of who gets the cores, four processes here and three there",
        },
        {
            "name": "relay.takeover",
            "value": round(max(gaps), 2),
            "unit": "s without a relay",
            "note": f"the longest of {ROUNDS}: SIGKILL of its holder ends no lease early",
        },
    ]
