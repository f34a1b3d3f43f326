"""A cloud that has just begun: a real log, vault and engine in a folder of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.contract.driver import Capabilities
from engine.allocator import Allocator
from engine.clock import SystemClock
from engine.engine import Engine
from engine.genesis import begin
from engine.history import History
from engine.log import Log
from engine.nouns import load
from engine.tasks import Tasks
from engine.vault import Vault
from engine.world import World
from projections.addresses import Addresses
from projections.capacity import Capacity
from projections.space import Space

load("aggregates", "projections", "engine.decisions", "engine.sagas")


class NoHosts:
    """This cloud has no hosts: whoever asks for one is wrong. Its hypervisors take what comes."""

    def capabilities(self, hypervisor: str) -> Capabilities:
        return Capabilities()

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the catalogue asked for {name} of a host")


@dataclass
class Controller:
    home: Path
    log: Log
    vault: Vault
    engine: Engine
    history: History
    clock: SystemClock


@asynccontextmanager
async def begun(home: Path) -> AsyncIterator[Controller]:
    """An engine over an empty cloud that has begun."""
    clock = SystemClock()
    log = await Log.open(f"sqlite://{home}/log.sqlite", now_ms=clock.now_ms)
    vault = await Vault.open(home / "vault")
    history = History(log, home / "checkpoints")
    cloud = await history.latest()
    views = (cloud.view(Capacity), cloud.view(Space), cloud.view(Addresses))
    hosts: Any = NoHosts()
    world = World(cloud, Allocator(*views), hosts, vault, clock, home, hosts)
    async with Tasks() as tasks:
        engine = Engine(log, world, clock, tasks, history)
        world.children = engine
        await begin(engine, vault)
        engine.runner.resume()
        yield Controller(home, log, vault, engine, history, clock)
    await log.close()
    await vault.close()
