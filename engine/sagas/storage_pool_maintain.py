"""Take a storage pool out of service and put it back: guests that run from it stop meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from uuid import UUID, uuid5

import msgspec

from aggregates.errors import DomainError
from aggregates.saga import RunState
from aggregates.storage_pool import StoragePoolMaintenanceEnded, StoragePoolMaintenanceEntered
from aggregates.vm import Vm, VmState
from drivers.contract.errors import Refused, Unavailable
from engine.decisions.storage_pool import supply_space
from engine.evacuation import UNTIL_EMPTY
from engine.intents import By
from engine.intents.storage_pool import MaintainStoragePool, ServeStoragePool
from engine.intents.vm import StartVm, StopVm
from engine.saga import Run, Saga
from projections.saga import saga_runs
from projections.snapshot import snapshots
from projections.space import Space
from projections.storage_pool import storage_pools
from projections.vm import vms
from projections.volume import volumes

SIDE_BY_SIDE = 4

maintain_pool = Saga(
    "storage_pool.maintain:1",
    MaintainStoragePool,
    subject="storage_pool",
    subject_id=lambda ask: ask.id,
)
serve_pool = Saga(
    "storage_pool.serve:1",
    ServeStoragePool,
    subject="storage_pool",
    subject_id=lambda ask: ask.id,
    forward_only=True,
)


class Guests(msgspec.Struct, frozen=True):
    """Those that run from the pool when it goes out of service."""

    ids: list[UUID]


def _users(run: Run[MaintainStoragePool]) -> Iterator[Vm]:
    """The guests with a disk in the pool that run, or are about to."""
    for vm in _guests(run):
        if vm.host_id is not None or vm.state is VmState.STARTING:
            yield vm


def _guests(run: Run[MaintainStoragePool]) -> Iterator[Vm]:
    found = {volume.vm_id for volume in run.cloud[volumes].by("pool_id", run.intent.id)}
    known = (run.cloud[vms].get(vm_id) for vm_id in found)
    return (vm for vm in known if vm is not None)


@maintain_pool.step
def begin(run: Run[MaintainStoragePool]) -> Guests:
    """From here on nothing new is put into the pool, and no guest starts from it."""
    pool = run.row(storage_pools, run.intent.id)
    run.change(pool, pool.begin_maintenance(run.id))
    supply_space(run, pool.id)
    return Guests(sorted(vm.id for vm in _users(run)))


@begin.undo
def serve_again(run: Run[MaintainStoragePool]) -> None:
    run.change(run.row(storage_pools, run.intent.id), StoragePoolMaintenanceEnded())
    supply_space(run, run.intent.id)


@maintain_pool.step(
    timeout_s=3600,
    patience=UNTIL_EMPTY,
    no_undo="a guest that was stopped is not started again behind its owner's back",
)
async def stop_guests(run: Run[MaintainStoragePool]) -> None:
    """What is parked waits for a person, and nobody waits for it: it is told by its job."""
    if stuck := list(_parked(run)):
        raise Refused("; ".join(stuck[:5]))
    turns = asyncio.Semaphore(SIDE_BY_SIDE)

    async def stop(vm: Vm) -> str:
        async with turns:
            return await _child(run, vm, StopVm(vm_id=vm.id))

    async with asyncio.TaskGroup() as group:
        stops = [group.create_task(stop(vm)) for vm in list(_users(run))]
    refused = [one.result() for one in stops if one.result()]
    if refused:
        raise Refused("; ".join(refused))
    if any(_users(run)) or _is_worked_on(run):
        raise Unavailable("guests run from the pool still, or other jobs have them or disks in it")


def _parked(run: Run[MaintainStoragePool]) -> Iterator[str]:
    """The guests and disks in the pool that a parked job has."""
    things = [(f"virtual machine {vm.name}", vm.job_id) for vm in _guests(run)]
    there = run.cloud[volumes].by("pool_id", run.intent.id)
    things += [(f"volume {volume.name}", volume.job_id) for volume in there]
    for told, job_id in things:
        job = run.cloud[saga_runs].get(job_id)
        if job is not None and job.state is RunState.PARKED:
            yield f"{told} is job {job_id}'s, which is parked: mend that first (mendAsyncJob)"


def _is_worked_on(run: Run[MaintainStoragePool]) -> bool:
    """Whether a job has a disk in the pool, or was promised room there: a guest may get it yet."""
    there = list(run.cloud[volumes].by("pool_id", run.intent.id))
    kept = run.cloud[snapshots].by("pool_id", run.intent.id)
    known_bytes = sum(disk.size_bytes for disk in there) + sum(one.size_bytes for one in kept)
    promised = run.cloud.view(Space).pools[run.intent.id].used_bytes > known_bytes
    return promised or any(volume.job_id is not None for volume in there)


@maintain_pool.step(no_undo="the last step: nothing after it can fail")
def enter(run: Run[MaintainStoragePool]) -> None:
    """Also those that were about to run from it when this began, and were stopped as they did."""
    key = run.key_of(stop_guests)
    late = {vm.id for vm in _guests(run) if _child_of(key, vm.id) in run.cloud[saga_runs]}
    entered = StoragePoolMaintenanceEntered(stopped=sorted({*run[begin].ids, *late}))
    run.change(run.row(storage_pools, run.intent.id), entered)


@serve_pool.step
def end(run: Run[ServeStoragePool]) -> Guests:
    pool = run.row(storage_pools, run.intent.id)
    stopped = list(pool.stopped_vm_ids)
    run.change(pool, pool.end_maintenance())
    supply_space(run, pool.id)
    return Guests(stopped)


@serve_pool.step(timeout_s=3600)
async def start_guests(run: Run[ServeStoragePool]) -> None:
    """Those that were stopped for it. One that cannot start says why in its own job."""
    turns = asyncio.Semaphore(SIDE_BY_SIDE)

    async def start(vm: Vm) -> None:
        async with turns:
            await _child(run, vm, StartVm(vm_id=vm.id))

    async with asyncio.TaskGroup() as group:
        for vm_id in run[end].ids:
            vm = run.cloud[vms].get(vm_id)
            if vm is not None and vm.state is VmState.STOPPED:
                group.create_task(start(vm))


async def _child(
    run: Run[MaintainStoragePool] | Run[ServeStoragePool], vm: Vm, ask: StopVm | StartVm
) -> str:
    """Why it could not be done; empty if it was, or if another job has the guest just now."""
    children, by = run.world.children, By(account_id=run.account_id, user_id=run.user_id)
    try:
        job = await children.submit(ask, by, run_id=_child_of(run.key, vm.id))
    except DomainError:
        return ""
    why = await children.outcome(job.id)
    return f"virtual machine {vm.name}: {why}" if why else ""


def _child_of(key: UUID, vm_id: UUID) -> UUID:
    """The job of one guest, under the key of the step that asks for it."""
    return uuid5(key, str(vm_id))
