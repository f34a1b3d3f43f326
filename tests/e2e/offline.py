"""What a dead server left in its data folder: the log on one side, the world on the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from drivers.sim import SimWorld
from engine.history import History
from projections.cloud import Cloud
from projections.saga import saga_runs
from sagastack.settings import Settings
from sagastack.tools.opened import opened
from tests.e2e.server import Server
from tests.sagas.judge import judge


@dataclass(frozen=True, slots=True)
class Found:
    """What a dead server left: enough of a rig for the judge of `tests/sagas`."""

    cloud: Cloud
    history: History
    sim: Any


@asynccontextmanager
async def left_by(home: Path) -> AsyncIterator[Found]:
    world = SimWorld.open(home / "simulator.jsonl")
    try:
        async with opened(Settings(home=home)) as (_, history):
            yield Found(await history.latest(), history, SimpleNamespace(world=world))
    finally:
        world.close()


async def unfinished(home: Path) -> int:
    """How many jobs the server's death interrupted."""
    async with left_by(home) as found:
        return sum(1 for run in found.cloud[saga_runs] if not run.state.is_over)


async def whole(server: Server) -> None:
    """Nothing stuck, leaked or lost; replay equal; the chain of seals unbroken."""
    assert not server.runs, "stop the server first: its world belongs to it"
    async with left_by(server.home) as found:
        await judge(found)  # type: ignore[arg-type]
    for tool in ("replay", "verify"):
        done = server.tool(tool)
        assert done.returncode == 0, done.stdout + done.stderr
