"""Stop, reboot and destroy: what ends or interrupts a running guest."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from aggregates.vm import Vm, VmState, VmStopped, VmWorkEnded
from aggregates.volume import Volume, VolumeDetached, VolumeRemoved
from engine.disks import delete_disk, release_disk
from engine.guests import disks_of, free_capacity
from engine.intents.vm import DestroyVm, RebootVm, StopVm
from engine.saga import Run, Saga
from engine.vm_snapshots import refuse_while_kept
from projections.vm import vms
from projections.vm_snapshot import vm_snapshots

GRACE_S = 30.0

stop_vm = Saga("vm.stop:1", StopVm, subject="vm", subject_id=lambda ask: ask.vm_id)
reboot_vm = Saga("vm.reboot:1", RebootVm, subject="vm", subject_id=lambda ask: ask.vm_id)
destroy_vm = Saga(
    "vm.destroy:1",
    DestroyVm,
    subject="vm",
    subject_id=lambda ask: ask.vm_id,
    forward_only=True,
)


async def power_off(run: Run[Any], vm: Vm, grace_s: float) -> None:
    """Nothing of the guest is left on its host when this returns."""
    if vm.host_id is None:
        return
    session = await run.world.hosts.session(vm.host_id)
    await session.stop_guest(vm.id, grace_s=grace_s, key=run.key)
    await session.remove_guest(vm.id, key=run.key)


def named_disks(run: Run[Any], vm: Vm, volume_ids: Collection[UUID]) -> list[Volume]:
    """The guest's data disks among those that were named."""
    return [disk for disk in disks_of(run, vm.id) if disk.id in volume_ids and disk.kind != "ROOT"]


def record_stopped(run: Run[Any], vm: Vm) -> None:
    """It runs no more, and its host has room for another."""
    free_capacity(run, vm)
    run.change(vm, VmStopped())


def _vm(run: Run[Any]) -> Vm:
    vm_id: UUID = run.intent.vm_id
    return run.row(vms, vm_id)


@stop_vm.step
def begin_stop(run: Run[StopVm]) -> None:
    """Take the guest, unless it is stopped already: that is success, as clients expect."""
    vm = _vm(run)
    begun = vm.begin(VmState.STOPPING, run.id, VmState.RUNNING, VmState.STOPPED)
    if vm.state is not VmState.STOPPED:
        run.change(vm, begun)


def _taken(run: Run[Any]) -> bool:
    """Whether this job has the guest; without it, nothing of the guest may be touched."""
    return _vm(run).job_id == run.id


@begin_stop.undo
def give_up_stop(run: Run[StopVm]) -> None:
    if _taken(run):
        run.change(_vm(run), VmWorkEnded())


@stop_vm.step(no_undo="a guest that may have stopped is not started again behind its owner's back")
async def stop_guest(run: Run[StopVm]) -> None:
    if _taken(run):
        await power_off(run, _vm(run), 0.0 if run.intent.forced else GRACE_S)


@stop_vm.step(no_undo="the last step: nothing after it can fail")
def stopped(run: Run[StopVm]) -> None:
    if _taken(run):
        record_stopped(run, _vm(run))


@reboot_vm.step
def begin_reboot(run: Run[RebootVm]) -> None:
    run.change(_vm(run), _vm(run).work("Rebooting", run.id, VmState.RUNNING))


@begin_reboot.undo
def give_up_reboot(run: Run[RebootVm]) -> None:
    run.change(_vm(run), VmWorkEnded())


@reboot_vm.step(no_undo="a guest cannot be un-rebooted")
async def reboot_guest(run: Run[RebootVm]) -> None:
    vm = _vm(run)
    assert vm.host_id is not None
    session = await run.world.hosts.session(vm.host_id)
    await session.reboot_guest(vm.id, force=run.intent.forced, key=run.key)


@reboot_vm.step(no_undo="the last step: nothing after it can fail")
def rebooted(run: Run[RebootVm]) -> None:
    run.change(_vm(run), VmWorkEnded())


@destroy_vm.step
def begin_destroy(run: Run[DestroyVm]) -> None:
    """Take the guest, unless it is destroyed already: that is success, as clients expect.

    But not where disks shall go that it still has, as there are snapshots of it.
    """
    vm = _vm(run)
    if vm.state is VmState.DESTROYED and vm.job_id is None and not run.intent.volume_ids:
        return
    vm.unprotected()
    if run.intent.volume_ids:
        refuse_while_kept(run.cloud, vm, "keeps its disks")
    run.change(vm, vm.begin(VmState.STOPPING, run.id, VmState.RUNNING, VmState.STOPPED))


@destroy_vm.step
async def cut_power(run: Run[DestroyVm]) -> None:
    if _taken(run):
        await power_off(run, _vm(run), 0.0)


@destroy_vm.step(timeout_s=600)
async def delete_disks(run: Run[DestroyVm]) -> None:
    """While the job has the guest nobody else takes the disks that it has."""
    if not _taken(run):
        return
    for disk in named_disks(run, _vm(run), run.intent.volume_ids):
        await delete_disk(run, disk)


@destroy_vm.step
def destroyed(run: Run[DestroyVm]) -> None:
    """Its data disks are free for others, but for those that it has snapshots of."""
    if not _taken(run):
        return
    vm, named = _vm(run), run.intent.volume_ids
    disks = [disk for disk in disks_of(run, vm.id) if disk.kind != "ROOT"]
    has_snapshots = bool(run.cloud[vm_snapshots].by("vm_id", vm.id))
    for disk in disks:
        if disk.id in named:
            release_disk(run, disk)
            run.change(disk, VolumeRemoved())
        elif not has_snapshots:
            run.change(disk, VolumeDetached())
    record_stopped(run, vm)
    run.change(_vm(run), _vm(run).destroy())
