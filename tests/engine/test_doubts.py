"""A host that a job could not reach is asked after at once, before any round of the sweep."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from aggregates.host import HostState
from aggregates.saga import RunState
from drivers.sim.faults import Fault
from engine.fence import Everything
from engine.intents.vm import StopVm
from engine.reconcilers.doubts import Doubts
from engine.retry import FORWARD
from engine.tasks import Tasks
from projections.host import hosts
from tests.cluster.published import until
from tests.engine.looking import Cloud
from tests.sagas.seed import HOSTS, deploy, running

HOST = {"host": "sim://host1"}


class Others(Everything):
    """Another controller drives everything."""

    def owns(self, run_id: UUID) -> bool:
        return False


def doubting(here: Cloud, tasks: Tasks, owner: Everything) -> Doubts:
    engine, log = here.r.engine, here.r.log
    return Doubts(log, engine, engine.hosts, tasks, engine._clock, owner)  # type: ignore[arg-type]


@pytest.fixture
async def doubts(here: Cloud) -> AsyncIterator[Doubts]:
    async with Tasks() as tasks:
        yield doubting(here, tasks, Everything())


async def quiet(doubts: Doubts) -> None:
    """Nobody is asked after any more."""
    await until(lambda: not doubts._asked)


def state(here: Cloud) -> HostState:
    return here.cloud[hosts][HOSTS[0]].state


async def test_a_host_that_a_start_cannot_reach_is_lost_at_once(
    here: Cloud, doubts: Doubts
) -> None:
    here.world.partition("sim://host1")
    row = await here.r.run(deploy("first"))
    assert row.state is RunState.SUCCEEDED, row.error_text
    assert row.tried, "it was promised to the lost host"
    assert (await here.topics()).count("saga.step_failed") < FORWARD.attempts - 1
    await until(lambda: state(here) is HostState.DISCONNECTED)
    later = await here.r.run(deploy("second"))
    assert later.state is RunState.SUCCEEDED and not later.tried
    here.world.heal()
    await here.look(2)
    assert state(here) is HostState.UP


async def test_so_is_one_on_which_a_guest_runs(here: Cloud, doubts: Doubts) -> None:
    vm_id = await running(here.r)
    here.world.partition("sim://host1")
    asked = await here.r.engine.submit(StopVm(vm_id=vm_id), here.r.by)
    await until(lambda: state(here) is HostState.DISCONNECTED)
    here.world.heal()
    await here.r.engine.runner.wait(asked.id)
    await here.look(2)


async def test_a_host_that_answers_keeps_its_place(here: Cloud, doubts: Doubts) -> None:
    """What the job could not reach is its pool."""
    here.r.sim.faults.fail("create_disk", Fault.BEFORE, **HOST)
    row = await here.r.run(replace(deploy("pinned"), host_id=HOSTS[0]))
    assert row.state is RunState.FAILED
    await quiet(doubts)
    assert state(here) is HostState.UP
    here.r.sim.faults.clear()


async def test_one_look_in_vain_is_not_enough(here: Cloud, doubts: Doubts) -> None:
    here.r.sim.faults.fail("create_disk", Fault.BEFORE, **HOST, times=1)
    here.r.sim.faults.fail("list_guests", Fault.BEFORE, **HOST, times=1)
    row = await here.r.run(replace(deploy("pinned"), host_id=HOSTS[0]))
    assert row.state is RunState.SUCCEEDED, row.error_text
    await quiet(doubts)
    assert state(here) is HostState.UP


def test_what_a_step_told_fails_no_listener(doubts: Doubts) -> None:
    run: Any = SimpleNamespace(
        subject_id=None,
        outputs={"a": None, "b": {"host_id": None}, "c": {"host_id": str(HOSTS[1])}, "d": [1]},
    )
    assert list(doubts._needed(run)) == [HOSTS[1]]


async def test_whoever_drives_the_job_asks(here: Cloud) -> None:
    async with Tasks() as tasks:
        doubts = doubting(here, tasks, Others())
        here.world.partition("sim://host1")
        row = await here.r.run(deploy("first"))
        assert row.tried
        await quiet(doubts)
    assert state(here) is HostState.UP
    here.world.heal()
    await here.look(2)
