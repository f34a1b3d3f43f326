"""Rolling maintenance: what stops it, what it leaves behind, and that nothing stays closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from aggregates.errors import NotAllowed
from aggregates.host import HostState, ResourceState
from aggregates.rolling_maintenance import RollingMaintenance, RollState
from aggregates.saga import RunState
from aggregates.vm import VmState
from drivers.contract.hooks import HookEnd, HookStage
from engine.engine import JobFailed
from engine.intents.host import EndMaintenance, HostLost, PrepareHost
from engine.intents.rolling_maintenance import RollHosts
from engine.intents.saga import CancelJob
from engine.intents.setting import ChangeSetting
from engine.intents.vm import StartVm
from engine.sagas.host_roll import roll_host
from projections.cluster import clusters
from projections.host import hosts
from projections.rolling_maintenance import rolling_maintenances
from projections.saga import saga_runs
from projections.storage_pool import storage_pools
from projections.vm import vms
from tests.sagas.examples.host import SCRIPTS
from tests.sagas.judge import judge
from tests.sagas.rig import Crash, Rig, new_sim, rig
from tests.sagas.seed import CLUSTER, HOSTS, POOL, deploy, named, running, seed
from tests.sagas.test_every_saga import home, instead, step_of

__all__ = ["home"]

MAINTENANCE, POST = HookStage.MAINTENANCE, HookStage.POST_MAINTENANCE
ROLL = named("a roll")


@pytest.fixture
async def r(home: Path) -> AsyncIterator[Rig]:
    async with rig(home, new_sim()) as made:
        await seed(made)
        yield made


def ask(**more: Any) -> RollHosts:
    return RollHosts(id=ROLL, **{"host_ids": list(HOSTS), "scripts": SCRIPTS} | more)


def roll_of(r: Rig) -> RollingMaintenance:
    return r.cloud[rolling_maintenances][ROLL]


def hook(r: Rig, number: int, stage: HookStage, end: HookEnd, said: str = "") -> None:
    r.sim.world.set_hook(f"sim://host{number}", stage, end, said)


def states(r: Rig) -> list[str]:
    return [str(r.cloud[hosts][one].resource_state) for one in HOSTS]


async def is_open(r: Rig) -> None:
    """Nothing is closed any more, and everything else that must hold does."""
    assert roll_of(r).state is RollState.ENDED
    assert r.cloud[clusters][CLUSTER].rolling_id is None
    assert all(r.cloud[hosts][one].job_id is None for one in HOSTS)
    await judge(r)


async def test_every_host_is_emptied_worked_on_and_serves_again(r: Rig) -> None:
    ran = await running(r)
    row = await r.run(ask())
    assert row.state is RunState.SUCCEEDED, row.error_text
    roll = roll_of(r)
    assert (roll.success, roll.skipped) == (True, [])
    assert [one.host_id for one in roll.updated] == HOSTS
    assert roll.updated[0].output == "PreMaintenance -v\nMaintenance -v\nPostMaintenance -v"
    assert roll.updated[0].started_at_ms < roll.updated[0].ended_at_ms
    assert states(r) == ["Enabled"] * 3
    assert r.cloud[vms][ran].state is VmState.RUNNING
    every = [run.stage for run in r.sim.world.hook_runs.values()]
    assert {stage: every.count(stage) for stage in every} == dict.fromkeys(HookStage, 3)
    assert set(every[:3]) == {HookStage.PRE_FLIGHT}, "every host is asked before any is emptied"
    await is_open(r)


@pytest.mark.parametrize("stage", [MAINTENANCE, POST])
async def test_work_that_fails_stops_it_and_leaves_the_host_in_maintenance(
    r: Rig, stage: HookStage
) -> None:
    await running(r)
    hook(r, 2, stage, HookEnd.FAILED, "no space left")
    row = await r.run(ask())
    assert row.state is RunState.SUCCEEDED, "that it did not go well is the answer"
    roll = roll_of(r)
    assert not roll.success
    assert "host2" in roll.details and "no space left" in roll.details, roll.details
    assert "1 hosts were not begun" in roll.details
    assert "stays in maintenance" in roll.skipped[0].reason
    assert states(r) == ["Enabled", "Maintenance", "Enabled"]
    await is_open(r)
    await r.engine.decide(EndMaintenance(id=HOSTS[1]), r.by)
    assert states(r) == ["Enabled"] * 3


async def test_forced_it_goes_on_behind_a_host_that_failed(r: Rig) -> None:
    hook(r, 1, HookStage.PRE_FLIGHT, HookEnd.FAILED, "disk is full")
    hook(r, 2, HookStage.PRE_MAINTENANCE, HookEnd.FAILED, "not now")
    await r.run(ask(forced=True))
    roll = roll_of(r)
    assert roll.success
    assert [one.host_id for one in roll.updated] == HOSTS[2:]
    assert [one.failed for one in roll.skipped] == [True, True]
    assert states(r) == ["Enabled"] * 3, "work had not begun on those that failed"
    await is_open(r)


async def test_one_check_beforehand_that_fails_is_enough_that_nothing_begins(r: Rig) -> None:
    hook(r, 3, HookStage.PRE_FLIGHT, HookEnd.FAILED, "kernel is unsigned")
    await r.run(ask())
    assert not roll_of(r).success
    assert "PreFlight of host" in roll_of(r).details and "unsigned" in roll_of(r).details
    assert {run.stage for run in r.sim.world.hook_runs.values()} == {HookStage.PRE_FLIGHT}
    await is_open(r)


async def test_a_host_on_which_there_is_nothing_to_do_is_left_alone(r: Rig) -> None:
    ran = await running(r)
    hook(r, 1, MAINTENANCE, HookEnd.ABSENT)
    hook(r, 2, HookStage.PRE_FLIGHT, HookEnd.AVOID, "up to date")
    hook(r, 3, HookStage.PRE_MAINTENANCE, HookEnd.AVOID)
    await r.run(ask())
    roll = roll_of(r)
    assert (roll.success, roll.updated) == (True, [])
    reasons = {one.host_id: one.reason for one in roll.skipped}
    assert "no script Maintenance in /hooks" in reasons[HOSTS[0]]
    assert reasons[HOSTS[1]] == "left alone by PreFlight: up to date"
    assert reasons[HOSTS[2]] == "left alone by PreMaintenance"
    assert r.cloud[vms][ran].host_id == HOSTS[0], "nobody had to move"
    await is_open(r)


async def full_cluster(r: Rig) -> None:
    """Guests that leave no host room for another's."""
    for number in range(3):
        await r.run(deploy(f"big {number}", memory_mib=20 * 1024))


async def test_it_is_refused_when_guests_fit_nowhere_else(r: Rig) -> None:
    await full_cluster(r)
    position = r.cloud.position
    with pytest.raises(NotAllowed, match="fits on no other host of its cluster"):
        await r.engine.submit(ask(), r.by)
    assert r.cloud.position == position
    await r.run(ask(forced=True))
    assert [one.host_id for one in roll_of(r).skipped] == HOSTS
    assert all("fits on no other host" in one.reason for one in roll_of(r).skipped)
    await is_open(r)


async def test_a_host_that_is_away_or_in_maintenance_refuses_it(r: Rig) -> None:
    await r.engine.decide(HostLost(id=HOSTS[0], why="test"), r.by)
    await r.run(PrepareHost(id=HOSTS[1]))
    with pytest.raises(NotAllowed, match=r"reconnect it first.*only an Enabled host"):
        await r.engine.submit(ask(), r.by)
    assert r.cloud[hosts][HOSTS[0]].state is HostState.DISCONNECTED
    await r.run(ask(forced=True))
    assert [one.host_id for one in roll_of(r).updated] == HOSTS[2:]
    await is_open(r)


@asynccontextmanager
async def at_work(r: Rig) -> AsyncIterator[UUID]:
    """While the first host is worked on: the job that does it all. Behind it, that is over."""
    step, met, go = step_of(roll_host.name, "work"), asyncio.Event(), asyncio.Event()
    real = step.do

    async def work(run: Any) -> Any:
        met.set()
        await go.wait()
        return await real(run)

    with instead(step, work):
        job = await r.engine.submit(ask(), r.by)
        async with asyncio.timeout(120):
            await met.wait()
            yield job.id
            go.set()
            await r.engine.runner.wait(job.id)


async def test_meanwhile_its_cluster_takes_no_new_guests(r: Rig) -> None:
    """Not even on a host that somebody names, and nobody ends the maintenance of the host."""
    ran = await running(r)
    async with at_work(r):
        assert r.cloud[hosts][HOSTS[0]].resource_state is ResourceState.MAINTENANCE
        assert r.cloud[vms][ran].host_id != HOSTS[0]
        for number, host_id in enumerate((None, HOSTS[2])):
            new = msgspec.structs.replace(deploy(f"new {number}"), host_id=host_id)
            with pytest.raises(JobFailed, match="rolling maintenance"):
                await r.engine.perform(new, r.by)
        with pytest.raises(NotAllowed, match="by job"):
            await r.engine.decide(EndMaintenance(id=HOSTS[0]), r.by)
        with pytest.raises(NotAllowed, match="in rolling maintenance by job"):
            other = msgspec.structs.replace(ask(), id=named("another"), host_ids=HOSTS[2:])
            await r.engine.submit(other, r.by)
    assert roll_of(r).success, roll_of(r).details
    await is_open(r)
    assert (await r.run(deploy("later"))).state is RunState.SUCCEEDED


async def test_cancelled_at_work_it_leaves_that_host_in_maintenance_and_the_cluster_open(
    r: Rig,
) -> None:
    await running(r)
    async with at_work(r) as job_id:
        seen = r.cloud[saga_runs][job_id]
        assert seen.progress == "host sim://host1, 1 of 3"
        await r.engine.decide(CancelJob(job_id=job_id), r.by)
        row = await r.engine.runner.wait(job_id)
        assert (row.state, row.error) == (RunState.FAILED, "Cancelled")
    assert states(r) == ["Maintenance", "Enabled", "Enabled"]
    assert "stays in maintenance" in roll_of(r).skipped[0].reason
    await is_open(r)


async def test_a_crash_at_any_commit_of_one_that_fails(home: Path) -> None:
    """The first host is worked on, the second fails; whoever dies when, it ends the same."""
    for die_at in range(1, 60):
        sim, crashed, folder = new_sim(), False, home / f"{die_at}"
        folder.mkdir()
        try:
            async with rig(folder, sim) as r:
                await seed(r)
                await running(r)
                hook(r, 2, MAINTENANCE, HookEnd.FAILED, "broken")
                r.log.commits, r.log.die_at = 0, die_at
                await r.run(ask())
        except (Crash, BaseExceptionGroup):
            crashed = True
        async with rig(folder, sim) as r:
            for row in list(r.cloud.table("saga")):
                await r.engine.runner.wait(row.id)
            if ROLL not in r.cloud[rolling_maintenances]:
                await r.run(ask())
            assert [one.host_id for one in roll_of(r).updated] == HOSTS[:1]
            assert [one.host_id for one in roll_of(r).skipped] == HOSTS[1:2]
            assert states(r) == ["Enabled", "Maintenance", "Enabled"]
            stages = [run.stage for run in sim.world.hook_runs.values()]
            assert stages.count(MAINTENANCE) == 2, "the work was done once on each host"
            await is_open(r)
        if not crashed:
            return
    pytest.fail("it never ended by itself")


async def stays(r: Rig) -> UUID:
    """A guest of a kind that moves nothing alive."""
    vm_id = await running(r)
    r.sim.capabilities = replace(
        r.sim.capabilities, live_migration=False, cannot={"live_migration": "it is bolted down"}
    )
    return vm_id


async def test_a_kind_that_moves_nothing_is_refused_before_anything_starts(r: Rig) -> None:
    vm_id = await stays(r)
    position = r.cloud.position
    for it in (PrepareHost(id=HOSTS[0]), ask()):
        with pytest.raises(NotAllowed, match="Simulator hosts: it is bolted down"):
            await r.engine.submit(it, r.by)
    assert r.cloud.position == position
    empty = await r.run(PrepareHost(id=HOSTS[1]))
    assert empty.state is RunState.SUCCEEDED, "a host without guests is empty, of whatever kind"

    change = ChangeSetting(
        id=named("setting"), name="host.maintenance.local.storage.strategy", value="ForceStop"
    )
    await r.engine.decide(change, r.by)
    row = await r.run(PrepareHost(id=HOSTS[0]))
    assert row.state is RunState.SUCCEEDED, row.error_text
    assert r.cloud[vms][vm_id].state is VmState.STOPPED
    await r.engine.decide(EndMaintenance(id=HOSTS[0]), r.by)
    assert (await r.run(StartVm(vm_id=vm_id))).state is RunState.SUCCEEDED
    await judge(r)


async def test_a_disk_on_storage_of_its_host_alone_keeps_a_guest_there(r: Rig) -> None:
    await running(r)
    r.cloud[storage_pools][POOL].host_id = HOSTS[0]
    for it in (PrepareHost(id=HOSTS[0]), ask()):
        with pytest.raises(NotAllowed, match="which its host alone reaches"):
            await r.engine.submit(it, r.by)


async def test_a_kind_that_runs_no_scripts_is_emptied_and_serves_again(r: Rig) -> None:
    await running(r)
    r.sim.capabilities = replace(r.sim.capabilities, run_hook=False)
    await r.run(ask())
    assert [one.output for one in roll_of(r).updated] == ["", "", ""]
    assert not r.sim.world.hook_runs
    await is_open(r)
