"""Move a running virtual machine to another host without stopping it."""

from __future__ import annotations

from uuid import UUID

from aggregates.errors import NotAllowed
from aggregates.vm import Vm, VmMigrated, VmState, VmWorkEnded
from drivers.contract.compute import Power
from drivers.contract.driver import HostSession
from engine.abilities import demand
from engine.disks import kept_by_its_host, pool_spec
from engine.guests import Room, disks_of, free_capacity, take_room_elsewhere
from engine.intents.vm import MigrateVm
from engine.saga import Run, Saga
from projections.host import hosts
from projections.vm import vms

ALIVE = (Power.RUNNING, Power.PAUSED)

migrate_vm = Saga("vm.migrate:1", MigrateVm, subject="vm", subject_id=lambda ask: ask.vm_id)


def _vm(run: Run[MigrateVm]) -> Vm:
    return run.row(vms, run.intent.vm_id)


@migrate_vm.step
def begin(run: Run[MigrateVm]) -> None:
    vm = _vm(run)
    demand(run, vm.hypervisor, "live_migration", "migrate_guest")
    if kept := kept_by_its_host(run.cloud, vm.id):
        raise NotAllowed(
            f"virtual machine {vm.name} cannot move alone ({kept}): let its volumes move along, "
            "with migrateVirtualMachineWithVolume"
        )
    run.change(vm, vm.begin(VmState.MIGRATING, run.id, VmState.RUNNING))


@begin.undo
def give_up(run: Run[MigrateVm]) -> None:
    run.change(_vm(run), VmWorkEnded())


@migrate_vm.step
def hold_room(run: Run[MigrateVm]) -> Room:
    """Room on another host of the same cluster: those share its disks."""
    vm = _vm(run)
    assert vm.host_id is not None
    cluster_id = run.row(hosts, vm.host_id).cluster_id
    chosen = take_room_elsewhere(
        run, vm, run.key, host_id=run.intent.host_id, cluster_id=cluster_id
    )
    return Room(chosen, run.key)


@hold_room.undo
def free_room(run: Run[MigrateVm]) -> None:
    run.add(run.world.allocator.release(run.key), run.key)


@migrate_vm.step(timeout_s=3600)
async def move(run: Run[MigrateVm]) -> None:
    vm, room = _vm(run), run[hold_room]
    assert vm.host_id is not None
    source = await run.world.hosts.session(vm.host_id)
    target = await run.world.hosts.address(room.host_id)
    if await source.find_guest(vm.id) is None:
        arrived = await run.world.hosts.session(room.host_id)
        if await arrived.find_guest(vm.id) is not None:
            return
    await _open_pools(run, source, room.host_id)
    await source.migrate_guest(vm.id, target, key=run.key)


async def _open_pools(run: Run[MigrateVm], source: HostSession, target_id: UUID) -> None:
    """Both ends have the pools of its disks open: either may never have met them in this life."""
    target = await run.world.hosts.session(target_id)
    held = (disk.pool_id for disk in disks_of(run, run.intent.vm_id))
    for pool_id in {one for one in held if one is not None}:
        for session in (source, target):
            await session.open_pool(pool_spec(run, pool_id))


@move.undo
async def move_back(run: Run[MigrateVm]) -> None:
    """Only if the guest has really left its host: a failed move leaves it where it was.

    One that died where it came to is not moved any more. Nothing of it is left there, and what is
    missing at home is a guest that died.
    """
    vm, room = _vm(run), run[hold_room]
    assert vm.host_id is not None
    source = await run.world.hosts.session(vm.host_id)
    if await source.find_guest(vm.id) is not None:
        return
    target = await run.world.hosts.session(room.host_id)
    there = await target.find_guest(vm.id)
    if there is not None and there.power not in ALIVE:
        await target.remove_guest(vm.id, key=run.key)
    elif there is not None:
        home = await run.world.hosts.address(vm.host_id)
        await _open_pools(run, target, vm.host_id)
        await target.migrate_guest(vm.id, home, key=run.undo_key)


@migrate_vm.step(no_undo="the last step: nothing after it can fail")
def moved(run: Run[MigrateVm]) -> None:
    vm, room = _vm(run), run[hold_room]
    free_capacity(run, vm)
    run.change(vm, VmMigrated(host_id=room.host_id, hold=room.hold))
