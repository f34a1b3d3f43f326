"""A controller small enough to crash: the real log, engine and sagas over a simulated world.

The simulated data centre belongs to the test and outlives every engine, as real hosts do. Time
does not pass: a retry's delay ends at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from drivers.sim import SimDriver, SimWorld
from engine.allocator import Allocator
from engine.drivers import Drivers
from engine.engine import Engine
from engine.history import History
from engine.hosts import HostRegistry
from engine.intents import By, Job
from engine.log import Log, Unit
from engine.nouns import load
from engine.tasks import Tasks
from engine.vault import Vault
from engine.world import World
from projections.addresses import Addresses
from projections.capacity import Capacity
from projections.cloud import Cloud
from projections.space import Space

load("aggregates", "projections", "engine")


class Crash(BaseException):
    """The process is gone."""


class QuickClock:
    """Time that moves by one millisecond whenever somebody looks, and never makes anyone wait."""

    def __init__(self) -> None:
        self._ms = count(1_700_000_000_000)

    def now_ms(self) -> int:
        return next(self._ms)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


class CrashingLog:
    """A log whose process dies at the n-th commit: before it, or right after it is on disk."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.commits = 0
        self.die_at = 0
        self.die_before = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def submit(self, unit: Unit) -> asyncio.Future[Any]:
        return asyncio.ensure_future(self.append(unit))

    async def append(self, unit: Unit) -> Any:
        self.commits += 1
        dying = self.die_at and self.commits >= self.die_at
        if dying and self.die_before:
            raise Crash
        done = await self._log.append(unit)
        if dying:
            raise Crash
        return done


@dataclass(slots=True)
class Rig:
    """One engine's life. `by` is who asks in every test."""

    home: Path
    log: CrashingLog
    cloud: Cloud
    engine: Engine
    sim: SimDriver
    history: History
    allocator: Allocator
    vault: Vault
    by: By = field(default_factory=lambda: By(action="TEST"))

    async def run(self, ask: object) -> Any:
        """Submit, wait, and give the run as it ended."""
        job: Job = await self.engine.submit(ask, self.by)
        async with asyncio.timeout(120):
            return await self.engine.runner.wait(job.id)


@asynccontextmanager
async def rig(home: Path, sim: SimDriver) -> AsyncIterator[Rig]:
    """An engine on the log in `home`. What was under way in it goes on at once."""
    clock = QuickClock()
    log = await Log.open(f"sqlite:///{home}/log.db", now_ms=clock.now_ms)
    vault = await Vault.open(home / "secrets.db")
    try:
        history = History(log, home / "checkpoints")
        cloud = await history.latest()
        allocator = Allocator(cloud.view(Capacity), cloud.view(Space), cloud.view(Addresses))
        hosts = HostRegistry(cloud, Drivers([sim]), vault)
        async with Tasks() as tasks:
            world = World(
                cloud=cloud,
                allocator=allocator,
                hosts=hosts,
                vault=vault,
                clock=clock,
                home=home,
                children=None,  # type: ignore[arg-type]
            )
            crashing = CrashingLog(log)
            engine = Engine(crashing, world, clock, tasks, history)  # type: ignore[arg-type]
            world.children = engine
            engine.runner.resume()
            yield Rig(home, crashing, cloud, engine, sim, history, allocator, vault)
    finally:
        await log.close()
        await vault.close()


def new_sim() -> SimDriver:
    return SimDriver(SimWorld())
