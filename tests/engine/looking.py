"""A small cloud and its sweeper, for tests that change the world behind the log's back."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from drivers.contract.compute import GuestSpec, HostAddress
from drivers.contract.storage import DiskSpec, PoolSpec
from engine.reconcilers.sweep import Sweeper
from projections.finding import FindingKind, findings
from projections.host import hosts
from projections.saga import saga_runs
from tests.sagas.rig import Rig
from tests.sagas.seed import (
    GIB,
    POOL,
    named,
)


class Cloud:
    """A seeded rig and its sweeper."""

    def __init__(self, r: Rig) -> None:
        self.r = r
        engine: Any = r.engine
        self.sweeper = Sweeper(engine, engine._world.hosts, engine._clock, every_s=1)
        self.world, self.cloud = r.sim.world, r.cloud

    async def look(self, times: int = 1) -> None:
        """Look, and let the jobs that follow from it end."""
        for _ in range(times):
            await self.sweeper.sweep()
            async with asyncio.timeout(60):
                for row in list(self.cloud[saga_runs]):
                    await self.r.engine.runner.wait(row.id)

    def open(self) -> list[FindingKind]:
        return sorted(one.finding for one in self.cloud[findings])

    async def topics(self) -> list[str]:
        return [one.topic async for batch in self.r.log.read() for one in batch]

    async def start_copy(self, vm_id: UUID, host_id: UUID) -> None:
        """A copy of one of our guests appears where the log does not have it."""
        session = await self.r.sim.connect(HostAddress(url=self.cloud[hosts][host_id].url))
        spec = GuestSpec(
            guest_id=vm_id, name="copy", cpu_count=1, cpu_mhz=500, memory_mib=512, disks=()
        )
        await session.start_guest(spec, key=named("late"))

    async def make_disk(self, volume_id: UUID) -> None:
        session = await self.r.sim.connect(HostAddress(url="sim://host1"))
        spec = DiskSpec(volume_id=volume_id, size_bytes=GIB)
        await session.create_disk(PoolSpec(pool_id=POOL, url="sim://pool"), spec, key=named("late"))

    def copies(self, vm_id: UUID) -> list[str]:
        return [guest.host for guest in self.world.where(vm_id)]
