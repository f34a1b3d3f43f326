"""The world changes behind the log's back, and the controller sees to it by itself.

These run in one process with the controller, because the simulated world belongs to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from aggregates.base import Recorded
from aggregates.vm import VmState
from drivers.contract.compute import Power
from drivers.sim import SimDriver, SimWorld
from drivers.sim.rows import Gone
from engine.log import LogUnavailable
from projections.finding import findings
from projections.vm import vms
from sagastack.boot import Controller, controller
from sagastack.settings import Settings
from tests.e2e.offline import Found
from tests.e2e.place import deployment, unique
from tests.e2e.server import Api, Awaitable
from tests.infra.build import data_center
from tests.sagas.judge import judge

LOOK_S = 0.05
SEEN_S = 60.0


@dataclass(frozen=True, slots=True)
class Here:
    """A controller, its simulated world, and a client; `place` deploys."""

    running: Controller
    sim: SimDriver
    api: Awaitable
    shape: dict[str, Any]

    @property
    def world(self) -> SimWorld:
        return self.sim.world

    async def deploy(self) -> UUID:
        made = await self.api("deployVirtualMachine", **self.shape, name=unique("vm"))
        return UUID(made["virtualmachine"]["id"])

    async def happens(self, topic: str, after: int) -> Recorded:
        """The next event of this topic behind a position."""
        async with asyncio.timeout(SEEN_S):
            async for recorded in self.running.feed.follow(after):
                if recorded.topic == topic:
                    return recorded
        raise AssertionError("a feed never ends")

    @property
    def now(self) -> int:
        return self.running.cloud.position


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Here]:
    async with controller(Settings(home=tmp_path, port=0, reconcile_s=LOOK_S)) as running:
        found = await running.credentials()
        assert found is not None
        api = Api(running.endpoint, found.api_key, found.secret_key)
        built = await data_center(Awaitable(api))  # type: ignore[arg-type]
        shape = await asyncio.to_thread(deployment, api, built.zone)
        sim = running.drivers.get("Simulator")
        assert isinstance(sim, SimDriver)
        yield Here(running, sim, Awaitable(api), shape)
        await judge(Found(running.cloud, running.engine._history, sim))  # type: ignore[arg-type]


@pytest.mark.parametrize("power", [Power.OFF, Power.CRASHED])
async def test_a_guest_that_died_is_found_stopped(here: Here, power: Power) -> None:
    vm_id = await here.deploy()
    before = here.now
    here.world.kill_guest(vm_id, power=power)
    seen = await here.happens("vm.stopped", before)
    assert seen.stream == vm_id and seen.user is None
    assert power.value in seen.event.why and "on host sim-" in seen.event.why
    assert here.running.cloud[vms][vm_id].state is VmState.STOPPED
    events = (await here.api("listEvents", resourceid=str(vm_id), listall=True))["event"]
    assert events[0]["type"] == "SYSTEM.RECONCILE", events
    await here.happens("finding.mended", seen.position)  # What was left of it is swept.
    assert not here.world.where(vm_id)
    started = await here.api("startVirtualMachine", id=str(vm_id))
    assert started["virtualmachine"]["state"] == "Running"


async def test_a_guest_that_dies_during_a_job_is_left_to_the_job(here: Here) -> None:
    vm_id = await here.deploy()
    here.sim.faults.slow("stop_guest", 10 * LOOK_S)
    here.sim.faults.slow("remove_guest", 10 * LOOK_S)
    async with asyncio.TaskGroup() as group:
        stopping = group.create_task(here.api("stopVirtualMachine", id=str(vm_id), forced=True))
        await asyncio.sleep(2 * LOOK_S)
        here.world.kill_guest(vm_id)
    assert stopping.result()["virtualmachine"]["state"] == "Stopped"
    stops = [one for one in await here.running.log.read_stream(vm_id) if one.topic == "vm.stopped"]
    assert len(stops) == 1


async def test_strangers_are_reported_and_left_alone(here: Here) -> None:
    before = here.now
    guest = here.world.add_stranger("http://sim-0-0", "somebody-elses")
    disk = here.world.add_stray_disk("nfs://10.0.0.9/export/primary0", "x.img", size_bytes=512)
    first = await here.happens("finding.opened", before)
    await here.happens("finding.opened", first.position)
    kinds = {str(one.finding): one for one in here.running.cloud[findings]}
    assert set(kinds) == {"stranger guest", "stranger disk"}
    assert "was not made by this cloud" in kinds["stranger guest"].text
    assert "somebody-elses" in kinds["stranger guest"].text
    assert disk.path in kinds["stranger disk"].text
    assert guest in here.world.residue().guests and disk in here.world.residue().disks
    # They go away by themselves; so do the findings.
    before = here.now
    here.world.commit(Gone("guest", guest.host, guest.ident), Gone("disk", disk.pool, disk.file))
    mended = await here.happens("finding.mended", before)
    await here.happens("finding.mended", mended.position)
    assert not list(here.running.cloud[findings])


async def test_what_was_ours_and_came_back_is_removed(here: Here) -> None:
    """A late create that landed after its undo, or a host that came back with old guests."""
    vm_id = await here.deploy()
    (guest,) = here.world.where(vm_id)
    disks = here.world.residue().disks
    await here.api("destroyVirtualMachine", id=str(vm_id), expunge=True)
    before = here.now
    here.sim.faults.slow("remove_guest", 5 * LOOK_S)  # The guest still uses the disk meanwhile.
    here.world.commit(*disks, guest)
    first = await here.happens("finding.mended", before)
    await here.happens("finding.mended", first.position)
    assert not here.world.residue() and not list(here.running.cloud[findings])
    opened = [
        one.event.finding
        async for batch in here.running.log.read(before)
        for one in batch
        if one.topic == "finding.opened"
    ]
    assert sorted(opened) == ["orphan disk", "orphan guest"], "each is swept once"


async def test_a_host_that_is_cut_off_and_comes_back(here: Here) -> None:
    vm_id = await here.deploy()
    url = here.world.where(vm_id)[0].host
    before = here.now
    here.world.partition(url)
    lost = await here.happens("host.disconnected", before)
    assert "sim-0-0 is out of reach" in lost.event.why
    assert here.running.cloud[vms][vm_id].state is VmState.RUNNING, "nobody knows that it died"
    here.world.heal(url)
    await here.happens("host.connected", lost.position)
    assert here.world.where(vm_id)[0].power is Power.RUNNING


async def test_a_log_that_cannot_be_written_stops_no_reconciler(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    vm_id = await here.deploy()
    refused = asyncio.Event()

    async def full(unit: object) -> None:
        refused.set()
        raise LogUnavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(here.running.log, "append", full)
        before = here.now
        here.world.kill_guest(vm_id)
        async with asyncio.timeout(SEEN_S):
            await refused.wait()
    stopped = await here.happens("vm.stopped", before)
    assert stopped.stream == vm_id
    await here.happens("finding.mended", stopped.position)
