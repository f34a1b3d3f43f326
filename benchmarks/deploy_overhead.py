"""What the engine costs: a deploy from submit to Running against the appends that it cannot avoid.

Simulated hosts without delay, 64 deploys at a time. The limit is the CPU time, both threads, of
encoding and appending the very same units in the very same commits to a second log, in the same
run: what is above it is deciding, folding, driving the saga, and the simulator itself.
"""

from __future__ import annotations

import asyncio
import cProfile
import statistics
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aggregates.base import Recorded
from benchmarks.cloud import BY, Bed, deploy, engine_in, furnish
from benchmarks.profiled import profiling, shares
from drivers.sim import SimDriver, SimWorld
from engine.collector import settle
from engine.log import Log, Unit
from projections.vm import vms

DEPLOYS = 320
AT_A_TIME = 64
ROUNDS, SHORT_ROUNDS = 7, 3
HOSTS = 20
DEADLINE_S = 120.0
MODULES_SHOWN = 10
Row = dict[str, Any]


class Recorder:
    """Stands before a log and notes what was committed, and what of it together."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._units: list[tuple[int, Unit]] = []
        self._ends: list[int] = []
        log.listen(lambda batch: self._ends.append(batch[-1].position))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def submit(self, unit: Unit) -> asyncio.Future[list[Recorded]]:
        return asyncio.ensure_future(self.append(unit))

    async def append(self, unit: Unit) -> list[Recorded]:
        recorded = await self._log.append(unit)
        self._units.append((recorded[0].position, unit))
        return recorded

    @property
    def count(self) -> int:
        return len(self._ends)

    def commits(self) -> list[list[Unit]]:
        """The units of each commit, in log order."""
        found: list[list[Unit]] = [[] for _ in self._ends]
        for position, unit in sorted(self._units, key=lambda pair: pair[0]):
            found[bisect_left(self._ends, position)].append(unit)
        return found


@dataclass
class Measured:
    """CPU seconds of one round, of both threads and of the loop's, and what it wrote."""

    cpu_s: float
    loop_s: float
    wall_s: float
    events: int
    commits: int


class Stopwatch:
    """CPU time of the process, CPU time of this thread, and time."""

    def __init__(self) -> None:
        self._began = (time.process_time(), time.thread_time(), time.perf_counter())

    def stop(self) -> tuple[float, float, float]:
        cpu_s, loop_s, wall_s = self._began
        return (
            time.process_time() - cpu_s,
            time.thread_time() - loop_s,
            time.perf_counter() - wall_s,
        )


async def deploy_many(bed: Bed, count: int, label: str, at_a_time: int = AT_A_TIME) -> None:
    """`count` guests, some under way at any time, and every one of them Running at the end."""
    names = iter([f"{label}-{number}" for number in range(count)])

    async def one_after_another() -> None:
        for name in names:
            await bed.engine.perform(deploy(name), BY)

    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        for _ in range(at_a_time):
            group.create_task(one_after_another())
    running = sum(row.state == "Running" for row in bed.engine.cloud[vms])
    assert running >= count, f"{running} guests run, not {count}"


async def engine_round(home: Path, profile: cProfile.Profile | None = None) -> tuple[Measured, Any]:
    """One round through the engine; also the units before it and those of it, by commit."""
    recorders: list[Recorder] = []

    def around(log: Log) -> Recorder:
        recorders.append(Recorder(log))
        return recorders[0]

    async with engine_in(home, SimDriver(SimWorld()), around=around) as bed:
        await furnish(bed.engine, host_count=HOSTS)
        settle()
        await deploy_many(bed, AT_A_TIME, "warm")
        recorder = recorders[0]
        before, events = recorder.count, bed.log.stats.events
        with profiling(profile):
            watch = Stopwatch()
            await deploy_many(bed, DEPLOYS, "guest")
            times = watch.stop()
        events = bed.log.stats.events - events
        commits = recorder.commits()
        measured = Measured(*times, events, len(commits) - before)
        return measured, (commits[:before], commits[before:])


@contextmanager
def one_thread_at_a_time() -> Iterator[None]:
    """Let the writer thread start only when the loop waits, so that commits are as they were."""
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(60.0)
    try:
        yield
    finally:
        sys.setswitchinterval(interval_s)


async def append_round(home: Path, units: tuple[list[list[Unit]], list[list[Unit]]]) -> Measured:
    """The same units in the same commits, and nothing else."""
    log = await Log.open(f"sqlite://{home}/log.db", now_ms=lambda: time.time_ns() // 10**6)
    try:
        before, after = units
        with one_thread_at_a_time():
            await _append(log, before)
            events, batches = log.stats.events, log.stats.batches
            watch = Stopwatch()
            await _append(log, after)
            times = watch.stop()
        stats = log.stats
        return Measured(*times, stats.events - events, stats.batches - batches)
    finally:
        await log.close()


async def _append(log: Log, commits: list[list[Unit]]) -> None:
    for together in commits:
        answers = [log.submit(unit) for unit in together]
        if answers:
            await asyncio.wait(answers, timeout=DEADLINE_S)
        for answer in answers:
            answer.result()


async def measure() -> list[Row]:
    engine, bare = await rounds(ROUNDS)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as one:
        profile = cProfile.Profile()
        await engine_round(Path(one), profile)
    return [_ratio(engine, bare), *_facts(engine, bare), *_shares(profile)]


async def short() -> list[Row]:
    return [_ratio(*await rounds(SHORT_ROUNDS))]


async def rounds(count: int) -> tuple[list[Measured], list[Measured]]:
    """Alternate engine and bare appends, so that a busy machine slows both."""
    engine, bare = [], []
    for _ in range(count):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as one:
            with tempfile.TemporaryDirectory(dir=Path.cwd()) as two:
                measured, units = await engine_round(Path(one))
                engine.append(measured)
                bare.append(await append_round(Path(two), units))
    assert [m.events for m in engine] == [m.events for m in bare], "not the same events"
    return engine, bare


def _ratio(engine: list[Measured], bare: list[Measured]) -> Row:
    """The median of each round's own ratio: a noisy moment spoils one round, not the figure."""
    value, limit = (statistics.median(m.cpu_s for m in side) for side in (engine, bare))
    ratios = [one.cpu_s / other.cpu_s for one, other in zip(engine, bare, strict=True)]
    return {
        "name": "deploy_overhead.cpu",
        "value": round(1e6 * value / DEPLOYS),
        "unit": "us CPU/deploy",
        "limit": round(1e6 * limit / DEPLOYS),
        "ratio": round(statistics.median(ratios), 2),
    }


def _facts(engine: list[Measured], bare: list[Measured]) -> list[Row]:
    ours, theirs = (statistics.median(m.cpu_s - m.loop_s for m in side) for side in (engine, bare))
    rate = statistics.median(DEPLOYS / m.wall_s for m in engine)
    return [
        {
            "name": "deploy_overhead.writer_thread",
            "value": round(1e6 * ours / DEPLOYS),
            "unit": "us CPU/deploy",
            "limit": round(1e6 * theirs / DEPLOYS),
        },
        {
            "name": "deploy_overhead.events",
            "value": round(engine[-1].events / DEPLOYS, 1),
            "unit": "events/deploy",
        },
        {
            "name": "deploy_overhead.commits",
            "value": engine[-1].commits,
            "unit": f"commits for {DEPLOYS} deploys",
            "limit": bare[-1].commits,
        },
        {"name": "deploy_overhead.rate", "value": round(rate), "unit": "deploys/s"},
    ]


def _shares(profile: cProfile.Profile) -> list[Row]:
    """Under a profiler, so only the proportions mean something."""
    return [
        {
            "name": f"deploy_overhead.in.{name}",
            "value": round(share, 1),
            "unit": "% of the loop",
            "note": "; ".join(callees),
        }
        for name, share, callees in shares(profile, MODULES_SHOWN)
    ]


if __name__ == "__main__":
    for result in asyncio.run(measure()):
        print(result)
