"""Connect to a host anew. If it does not answer it is Disconnected, and offers nothing.

One that was away may come back with guests that have since been stopped, or started elsewhere.
Those copies end before it serves again: they hold the disks and the addresses of the real ones.
Jobs that could not be finished or undone without it are taken up once it serves.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid5

from aggregates.host import HostConnected, HostDisconnected, HostState
from drivers.contract.compute import Power
from drivers.contract.driver import HostSession
from drivers.contract.errors import DriverError, Unavailable, Unknown
from engine.decisions.host import supply
from engine.intents.host import ReconnectHost
from engine.saga import Run, Saga
from engine.sagas.host_add import ONCE_MORE, ask_facts
from projections.host import hosts
from projections.saga import RunState, saga_runs
from projections.vm import vms

log_ = logging.getLogger("sagastack.reconnect")

# What a job was parked for that may be over with a host's absence.
PASSING = (Unavailable.__name__, Unknown.__name__)

reconnect_host = Saga(
    "host.reconnect:1", ReconnectHost, subject="host", subject_id=lambda ask: ask.id
)


@reconnect_host.step
def begin(run: Run[ReconnectHost]) -> None:
    run.row(hosts, run.intent.id).idle()


@begin.undo
def give_up(run: Run[ReconnectHost]) -> None:
    host = run.cloud[hosts].get(run.intent.id)
    if host is not None and host.state is HostState.UP:
        run.change(host, HostDisconnected(why="it did not answer when asked to reconnect"))
        supply(run, host.id)


@reconnect_host.step(timeout_s=60, patience=ONCE_MORE, no_undo="what is stale is not put back")
async def connect(run: Run[ReconnectHost]) -> HostConnected:
    await run.world.hosts.drop(run.intent.id)
    session = await run.world.hosts.session(run.intent.id)
    facts = await ask_facts(session)
    host = run.cloud[hosts].get(run.intent.id)
    if host is not None and host.state is not HostState.UP:
        await end_stale(run, run.intent.id, session)
    return facts


@reconnect_host.step(no_undo="the last step: nothing after it can fail")
def record(run: Run[ReconnectHost]) -> None:
    host = run.row(hosts, run.intent.id)
    was_away = host.state is not HostState.UP
    run.change(host, run[connect])
    supply(run, host.id)
    if was_away:
        _take_up(run)


def _take_up(run: Run[ReconnectHost]) -> None:
    """Which host a parked job waits for is not on record: one that waits for another parks again.

    Its step is repeated under its own key, so that this does no harm.
    """
    for row in list(run.cloud[saga_runs].by("state", RunState.PARKED)):
        if row.error in PASSING:
            run.change(row, row.mend("retry"))


async def end_stale(run: Run[Any], host_id: UUID, session: HostSession) -> None:
    """While a host is away nothing is started on it, so what is there is from before.

    A guest that a job has is that job's to see to.
    """
    for seen in await session.list_guests():
        vm = None if seen.guest_id is None else run.cloud[vms].get(seen.guest_id)
        if vm is None or vm.job_id is not None or vm.host_id == host_id:
            continue
        if vm.host_id is not None and not await _runs(run, vm.host_id, vm.id):
            continue  # It may have come here by itself: the sweeps see where it belongs.
        log_.warning("guest %s is stale on the host that came back: it is ended", vm.name)
        await session.remove_guest(vm.id, key=uuid5(run.key, str(vm.id)))


async def _runs(run: Run[Any], host_id: UUID, vm_id: UUID) -> bool:
    """Whether the guest is seen to run where the log has it."""
    with suppress(DriverError):
        session = await run.world.hosts.session(host_id)
        there = await session.find_guest(vm_id)
        return there is not None and there.power in (Power.RUNNING, Power.PAUSED)
    return False
