"""The zones of the simulation, in peace, and its judges: for what its seeds have found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.cloud import Bed, engine_in, furnish
from drivers.sim import SimDriver, SimWorld
from tests.sagas.judge import judge
from tests.sim import places
from tests.sim.place import HOSTS, complete, widen
from tests.sim.references import nothing_dangles


@pytest.fixture
async def sim() -> SimDriver:
    return SimDriver(SimWorld())


@pytest.fixture
async def bed(tmp_path: Path, sim: SimDriver) -> AsyncIterator[Bed]:
    """Two zones of the simulation, in peace; the judges look at them afterwards."""
    async with engine_in(tmp_path, sim) as made:
        await furnish(made.engine, host_count=3)
        await complete(made.engine, tmp_path)
        yield made
        await _judged(made, sim)


@pytest.fixture
async def wide(tmp_path: Path, sim: SimDriver) -> AsyncIterator[Bed]:
    """All that the simulation has: a Basic zone, a second cluster, and pools of every scope."""
    async with engine_in(tmp_path, sim) as made:
        await furnish(made.engine, host_count=HOSTS)
        await complete(made.engine, tmp_path)
        await widen(made.engine)
        yield made
        await _judged(made, sim)


async def _judged(made: Bed, sim: SimDriver) -> None:
    cloud = made.engine.cloud
    rig: Any = SimpleNamespace(cloud=cloud, sim=sim, history=made.history)
    await judge(rig)
    nothing_dangles(cloud)
    places.hold(cloud)
