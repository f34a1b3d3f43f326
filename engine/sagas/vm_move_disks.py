"""Move the disks of a stopped virtual machine to another storage pool, each by a job of its own."""

from __future__ import annotations

from uuid import uuid5

from aggregates.errors import NotAllowed
from aggregates.vm import VmState
from drivers.contract.errors import Refused
from engine.guests import disks_of
from engine.intents import By
from engine.intents.vm_life import MoveVmDisks
from engine.intents.volume import MigrateVolume
from engine.saga import Run, Saga
from projections.storage_pool import storage_pools
from projections.vm import vms

move_disks = Saga("vm.move_disks:1", MoveVmDisks, subject="vm", subject_id=lambda ask: ask.vm_id)


@move_disks.step(no_undo="nothing is taken yet: each disk is its own job's")
def begin(run: Run[MoveVmDisks]) -> None:
    vm, pool = run.row(vms, run.intent.vm_id), run.row(storage_pools, run.intent.pool_id)
    vm.unclaimed()
    if vm.state is not VmState.STOPPED:
        raise NotAllowed(
            f"virtual machine {vm.name} is {vm.state}: stop it first, or move it alive with "
            "migrateVirtualMachineWithVolume"
        )
    if all(disk.pool_id in (None, pool.id) for disk in disks_of(run, vm.id)):
        raise NotAllowed(f"no disk of virtual machine {vm.name} is in a pool but {pool.name}")


@move_disks.step(timeout_s=14_400, no_undo="disks that have moved are where they were asked to be")
async def move(run: Run[MoveVmDisks]) -> None:
    children, by = run.world.children, By(account_id=run.account_id, user_id=run.user_id)
    for disk in disks_of(run, run.intent.vm_id):
        if disk.pool_id in (None, run.intent.pool_id):
            continue
        ask = MigrateVolume(volume_id=disk.id, pool_id=run.intent.pool_id)
        job = await children.submit(ask, by, run_id=uuid5(run.key, str(disk.id)))
        why = await children.outcome(job.id)
        if why:
            raise Refused(f"volume {disk.name} cannot be moved: {why}")
