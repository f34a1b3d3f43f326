"""Prepare a host for maintenance: nothing new is placed on it, and every guest moves away."""

from __future__ import annotations

import asyncio
from uuid import uuid5

from aggregates.errors import NotAllowed, NotFound
from aggregates.host import HostMaintenanceEntered, HostMaintenanceFailed, ResourceState
from aggregates.vm import Vm
from drivers.contract.errors import Refused, Unavailable
from engine.decisions.host import supply
from engine.intents import By
from engine.intents.host import PrepareHost
from engine.intents.vm import MigrateVm
from engine.retry import Patience
from engine.saga import Run, Saga
from projections.capacity import Capacity
from projections.host import hosts
from projections.vm import vms

SIDE_BY_SIDE = 4
# A guest that another job has is waited for; it is asked again for about half an hour.
UNTIL_EMPTY = Patience(attempts=70, first_s=0.2, longest_s=30.0)

maintain_host = Saga("host.maintain:1", PrepareHost, subject="host", subject_id=lambda ask: ask.id)


@maintain_host.step
def begin(run: Run[PrepareHost]) -> None:
    host = run.row(hosts, run.intent.id)
    run.change(host, host.prepare_maintenance(run.id))
    supply(run, host.id)


@begin.undo
def serve_again(run: Run[PrepareHost]) -> None:
    run.change(run.row(hosts, run.intent.id), HostMaintenanceFailed())
    supply(run, run.intent.id)


@maintain_host.step(
    timeout_s=3600,
    patience=UNTIL_EMPTY,
    no_undo="guests that moved away are well where they are",
)
async def evacuate(run: Run[PrepareHost]) -> int:
    """Each guest is moved by a job of its own; says how many there were."""
    guests = list(run.cloud[vms].by("host_id", run.intent.id))
    turns = asyncio.Semaphore(SIDE_BY_SIDE)

    async def move(vm: Vm) -> str:
        async with turns:
            return await _move(run, vm)

    async with asyncio.TaskGroup() as group:
        moves = [group.create_task(move(vm)) for vm in guests]
    refused = [one.result() for one in moves if one.result()]
    if refused:
        raise Refused("; ".join(refused))
    if run.cloud.view(Capacity).is_used(run.intent.id):
        raise Unavailable("guests are on the host still, or on their way to it or from it")
    return len(guests)


@maintain_host.step(no_undo="the last step: nothing after it can fail")
def enter(run: Run[PrepareHost]) -> None:
    host = run.row(hosts, run.intent.id)
    assert host.resource_state is ResourceState.PREPARING
    run.change(host, HostMaintenanceEntered())


async def _move(run: Run[PrepareHost], vm: Vm) -> str:
    """Why the guest could not move; empty if it did, or if another job has it just now."""
    children, by = run.world.children, By(account_id=run.account_id, user_id=run.user_id)
    try:
        moved = uuid5(run.key, str(vm.id))
        job = await children.submit(MigrateVm(vm_id=vm.id), by, run_id=moved)
    except (NotAllowed, NotFound):
        return ""
    why = await children.outcome(job.id)
    return f"virtual machine {vm.name} cannot be moved: {why}" if why else ""
