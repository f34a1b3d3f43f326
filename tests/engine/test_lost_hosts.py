"""Hosts that are cut off, hang, and come back."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from aggregates.host import HostState
from aggregates.saga import RunState
from aggregates.vm import VmState
from drivers.sim.faults import Fault
from drivers.sim.rows import Gone
from engine.intents.host import PrepareHost, ReconnectHost
from engine.intents.vm import ExpungeVm, MigrateVm, StartVm, StopVm
from engine.reconcilers import sweep as sweep_module
from projections.capacity import Capacity
from projections.host import hosts
from projections.saga import saga_runs
from projections.vm import vms
from tests.engine.acting import mend
from tests.engine.looking import Cloud
from tests.sagas.seed import (
    HOSTS,
    deploy,
    running,
)

# ---- hosts ---------------------------------------------------------------------------------


async def test_a_host_that_is_cut_off_offers_nothing_until_it_answers(here: Cloud) -> None:
    vm_id = await running(here.r)
    here.world.partition("sim://host1")
    await here.look()
    assert here.cloud[hosts][HOSTS[0]].state is HostState.UP, "one look is not enough"
    await here.look()
    assert here.cloud[hosts][HOSTS[0]].state is HostState.DISCONNECTED
    supply = here.cloud.view(Capacity).supply_of(HOSTS[0])
    assert supply is not None and not supply.enabled
    assert here.cloud[vms][vm_id].state is VmState.RUNNING, "nobody knows that it died"
    other = await running(here.r, "other")
    assert here.cloud[vms][other].host_id != HOSTS[0]
    here.world.heal()
    await here.look()
    assert here.cloud[hosts][HOSTS[0]].state is HostState.UP
    supply = here.cloud.view(Capacity).supply_of(HOSTS[0])
    assert supply is not None and supply.enabled
    await here.look(2)
    assert here.cloud[vms][vm_id].state is VmState.RUNNING


async def test_a_host_that_takes_the_question_and_never_answers_is_lost(
    here: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "LISTING_S", 0.05)
    real = here.sweeper._hosts.session

    async def session(host_id: UUID) -> Any:
        if host_id == HOSTS[1]:
            await asyncio.sleep(30)
        return await real(host_id)

    monkeypatch.setattr(here.sweeper._hosts, "session", session)
    await here.look(2)
    assert here.cloud[hosts][HOSTS[1]].state is HostState.DISCONNECTED
    monkeypatch.undo()
    await here.look()
    assert here.cloud[hosts][HOSTS[1]].state is HostState.UP


async def test_stale_copies_on_a_host_that_comes_back_go(here: Cloud) -> None:
    """It was cut off, its guest was moved on by force, and now both are there."""
    vm_id = await running(here.r)
    (old,) = here.world.where(vm_id)
    here.world.commit(Gone("guest", old.host, old.ident))
    here.world.partition("sim://host1")
    await here.look(2)
    here.world.heal()
    await here.look(3)
    assert here.cloud[vms][vm_id].state is VmState.STOPPED
    await here.r.run(StartVm(vm_id=vm_id, host_id=HOSTS[1]))
    here.world.commit(old)
    await here.look(2)
    assert here.copies(vm_id) == ["sim://host2"]


async def test_a_host_that_comes_back_serves_only_without_stale_copies(here: Cloud) -> None:
    """Its guest runs elsewhere by now, and another was stopped: both copies are ended first."""
    moved, stopped = await running(here.r), await running(here.r, "other")
    copies = [here.world.where(one)[0] for one in (moved, stopped)]
    for one in (moved, stopped):
        await here.r.run(StopVm(vm_id=one))
    await here.r.run(StartVm(vm_id=moved, host_id=HOSTS[1]))
    here.world.partition("sim://host1")
    await here.look(2)
    assert here.cloud[hosts][HOSTS[0]].state is HostState.DISCONNECTED
    for old in copies:
        here.world.commit(replace(old, host="sim://host1"))
    assert sorted(here.copies(moved)) == ["sim://host1", "sim://host2"]
    here.world.heal()
    here.r.sim.faults.fail("remove_guest", Fault.BEFORE)
    await here.look()
    assert here.cloud[hosts][HOSTS[0]].state is HostState.DISCONNECTED, "it has copies still"
    here.r.sim.faults.clear()
    await here.look()
    assert here.cloud[hosts][HOSTS[0]].state is HostState.UP
    assert (here.copies(moved), here.copies(stopped)) == (["sim://host2"], [])
    assert here.cloud[vms][moved].state is VmState.RUNNING


async def test_a_guest_that_came_to_a_lost_host_by_itself_is_left_alone(here: Cloud) -> None:
    """It is gone from where the log has it: what runs on the host that comes back is no copy."""
    vm_id = await running(here.r)
    (row,) = here.world.where(vm_id)
    away = HOSTS[1] if here.cloud[vms][vm_id].host_id == HOSTS[0] else HOSTS[0]
    url = here.cloud[hosts][away].url
    here.world.partition(url)
    await here.look(2)
    here.world.commit(Gone("guest", row.host, row.ident))
    here.world.commit(replace(row, host=url))
    here.world.heal()
    await here.look()
    assert here.cloud[hosts][away].state is HostState.UP
    assert here.copies(vm_id) == [url]
    await here.look(3)  # The sweeps settle whose it is.


async def test_a_job_that_waits_for_a_lost_host_goes_on_when_it_is_back(here: Cloud) -> None:
    """What was parked for another reason is a person's still."""
    vm_id, other = await running(here.r), await running(here.r, "other")
    assert here.cloud[vms][other].host_id == HOSTS[0]
    here.r.sim.faults.fail("remove_guest", Fault.REFUSED)
    refused = await here.r.run(ExpungeVm(vm_id=other))
    here.r.sim.faults.clear()
    here.world.partition("sim://host1")
    await here.look(2)
    waits = await here.r.run(ExpungeVm(vm_id=vm_id))
    assert (waits.state, refused.state) == (RunState.PARKED, RunState.PARKED)
    here.world.heal()
    await here.look(2)
    assert vm_id not in here.cloud[vms]
    assert here.copies(vm_id) == []
    assert here.cloud[saga_runs][refused.id].state is RunState.PARKED
    assert (await mend(here.r, refused.id, "retry")).state is RunState.SUCCEEDED


async def test_what_a_lost_host_began_to_make_is_taken_away_by_another(here: Cloud) -> None:
    """Its deployment fails while it is away still, and nobody has to see to that."""
    ask = replace(deploy("begun"), host_id=HOSTS[0])
    lost = {"host": "sim://host1"}
    here.r.sim.faults.fail("create_disk", Fault.AFTER, **lost, times=1)
    for verb in ("create_disk", "remove_disk"):
        here.r.sim.faults.fail(verb, Fault.BEFORE, **lost)
    row = await here.r.run(ask)
    assert (row.state, row.error) == (RunState.FAILED, "Unavailable")
    assert ask.vm_id not in here.cloud[vms]
    assert not here.world.residue().disks


async def test_a_guest_is_started_elsewhere_if_its_host_is_lost(here: Cloud) -> None:
    """Nobody has noticed yet that the host is cut off, and it has most room."""
    first = await here.r.run(deploy("first"))
    (lost,) = here.copies(first.subject_id)
    host_id = here.cloud[vms][first.subject_id].host_id
    here.world.partition(lost)
    ask = deploy("second")
    row = await here.r.run(ask)
    assert row.state is RunState.SUCCEEDED, row.error_text
    assert [one.output["host_id"] for one in row.tried] == [str(host_id)]
    (there,) = here.copies(ask.vm_id)
    vm = here.cloud[vms][ask.vm_id]
    assert there != lost and here.cloud[hosts][vm.host_id].url == there
    held = here.cloud.view(Capacity).holds_of_vm(vm.id)
    assert [hold.host_id for hold in held] == [vm.host_id]
    await here.r.run(StopVm(vm_id=ask.vm_id))
    here.world.heal()
    here.world.partition(there)
    row = await here.r.run(StartVm(vm_id=ask.vm_id))
    assert row.state is RunState.SUCCEEDED, row.error_text
    assert here.copies(ask.vm_id) != [there]
    here.world.heal()
    await here.look(2)
    assert not here.open()


async def test_one_reconnection_at_a_time(here: Cloud) -> None:
    here.world.partition("sim://host1")
    await here.look(2)
    here.world.heal()
    here.r.sim.faults.slow("inspect", 0.3)
    for _ in range(4):
        await here.sweeper.sweep()
    runs = [row for row in here.cloud[saga_runs] if row.name.startswith("host.reconnect")]
    assert len(runs) == 1
    here.r.sim.faults.clear()
    await here.look()


async def test_a_reconnection_takes_no_host_from_another_job(here: Cloud) -> None:
    """A host that is being prepared for maintenance is still that job's when it has answered."""

    vm_id = await running(here.r)
    here.r.sim.faults.slow("migrate_guest", 0.4)
    here.r.sim.faults.slow("inspect", 0.1)
    reconnect = await here.r.engine.submit(ReconnectHost(id=HOSTS[0]), here.r.by)
    prepare = await here.r.engine.submit(PrepareHost(id=HOSTS[0]), here.r.by)
    await here.r.engine.runner.wait(reconnect.id)
    assert here.cloud[hosts][HOSTS[0]].job_id == prepare.id
    row = await here.r.engine.runner.wait(prepare.id)
    assert row.state is RunState.SUCCEEDED, row.error_text
    assert here.cloud[vms][vm_id].host_id != HOSTS[0]


async def test_a_bug_in_one_look_stops_no_other(
    here: Cloud, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    vm_id = await running(here.r)
    here.world.kill_guest(vm_id)
    real = here.sweeper._hosts.session

    async def session(host_id: UUID) -> Any:
        if host_id == HOSTS[1]:
            raise RuntimeError("a driver that breaks its contract")
        return await real(host_id)

    monkeypatch.setattr(here.sweeper._hosts, "session", session)
    await here.look(4)
    assert "RuntimeError" in caplog.text
    assert here.cloud[vms][vm_id].state is VmState.STOPPED


async def test_migrated_guests_are_no_orphans(here: Cloud) -> None:
    vm_id = await running(here.r)
    await here.r.run(MigrateVm(vm_id=vm_id, host_id=HOSTS[2]))
    before = here.cloud.position
    await here.look(3)
    assert here.cloud.position == before
