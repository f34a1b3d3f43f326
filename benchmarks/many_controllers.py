"""What it costs to be several: a deploy's CPU with two controllers on a log, against one alone.

Two cores cannot show that two controllers do more than one, so the CPU time of all of it is what is
compared: each controller also reads and folds what the other wrote, and decides again where the
other was first. Both sides use the same PostgreSQL, in turns, with the same number of deploys.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.cloud import BY, Bed, deploy, engine_in, furnish
from drivers.sim import SimDriver, SimWorld
from engine.collector import settle
from engine.fence import Everything, Owner
from projections.addresses import Addresses
from projections.vm import vms
from tests.peers.postgres import cluster

DEPLOYS, AT_A_TIME, HOSTS = 320, 64, 20
ROUNDS = 3
LOOK_S = 0.02
DEADLINE_S = 180.0


@dataclass
class Half:
    """Every second run is this one's."""

    remainder: int
    alone: bool = False

    def owns(self, run_id: UUID) -> bool:
        return run_id.int % 2 == self.remainder

    def pick(self, random_id: Callable[[], UUID]) -> UUID:
        while not self.owns(found := random_id()):
            pass
        return found


@dataclass
class Measured:
    """One round: CPU seconds, seconds, and how many appends were refused and decided again."""

    cpu_s: float
    wall_s: float
    conflicts: int
    units: int


async def follow(bed: Bed) -> None:
    """Take in what the other wrote, as a follower does."""
    while True:
        await asyncio.sleep(LOOK_S)
        await bed.log.look()


async def round_of(url: str, home: Path, owners: list[Owner]) -> Measured:
    """So many deploys, spread over as many controllers."""
    world = SimWorld()
    async with AsyncExitStack() as stack:
        beds = [
            await stack.enter_async_context(
                engine_in(home, SimDriver(world), store=url, owner=owner)
            )
            for owner in owners
        ]
        for lane, bed in enumerate(beds):
            bed.engine.cloud.view(Addresses).lane = lane
        followers = [asyncio.create_task(follow(bed)) for bed in beds if len(beds) > 1]
        try:
            await furnish(beds[0].engine, host_count=HOSTS)
            for bed in beds:
                await bed.log.look()
            settle()
            await deploys(beds, AT_A_TIME, "warm")
            return await _measured(beds)
        finally:
            for task in followers:
                task.cancel()
            await asyncio.gather(*followers, return_exceptions=True)


async def deploys(beds: list[Bed], count: int, label: str) -> None:
    names = iter([f"{label}-{number}" for number in range(count)])

    async def one_after_another(bed: Bed) -> None:
        for name in names:
            await bed.engine.perform(deploy(name), BY)

    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        for number in range(AT_A_TIME):
            group.create_task(one_after_another(beds[number % len(beds)]))


async def _measured(beds: list[Bed]) -> Measured:
    stats = [bed.log.stats for bed in beds]
    before = sum(one.conflicts for one in stats), sum(one.units for one in stats)
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    await deploys(beds, DEPLOYS, "guest")
    for bed in beds:
        await bed.log.look()
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    for bed in beds:
        assert sum(row.state == "Running" for row in bed.engine.cloud[vms]) == DEPLOYS + AT_A_TIME
    conflicts, units = sum(one.conflicts for one in stats), sum(one.units for one in stats)
    return Measured(cpu_s, wall_s, conflicts - before[0], units - before[1])


async def measure() -> list[dict[str, Any]]:
    alone: list[Measured] = []
    shared: list[Measured] = []
    sides: list[tuple[list[Measured], list[Owner]]] = [
        (alone, [Everything()]),
        (shared, [Half(0), Half(1)]),
    ]
    with cluster() as server:
        for into, owners in ROUNDS * sides:
            with tempfile.TemporaryDirectory(dir=Path.cwd()) as home:
                into.append(await round_of(server.database(), Path(home), owners))
    lone, both = (statistics.median(m.cpu_s for m in side) for side in (alone, shared))
    ratios = [two.cpu_s / one.cpu_s for one, two in zip(alone, shared, strict=True)]
    refused, units = sum(m.conflicts for m in shared), sum(m.units for m in shared)
    return [
        {
            "name": "many_controllers.cpu",
            "value": round(1e6 * both / DEPLOYS),
            "unit": "us CPU/deploy with two",
            "limit": round(1e6 * lone / DEPLOYS),
            "ratio": round(statistics.median(ratios), 2),
        },
        {
            "name": "many_controllers.rate",
            "value": round(DEPLOYS / statistics.median(m.wall_s for m in shared)),
            "unit": "deploys/s with two in one process",
            "limit": round(DEPLOYS / statistics.median(m.wall_s for m in alone)),
        },
        {
            "name": "many_controllers.conflicts",
            "value": round(100 * refused / (units + refused), 2),
            "unit": "% of the appends decided again",
        },
    ]


if __name__ == "__main__":
    for result in asyncio.run(measure()):
        print(result)
