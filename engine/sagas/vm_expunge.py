"""Expunge a virtual machine: afterwards nothing of it is left but its history.

Forward only: what is half removed is removed further, or parked for a person, never restored.
"""

from __future__ import annotations

from aggregates.vm import Vm, VmExpunged, VmState
from aggregates.volume import VolumeDetached, VolumeRemoved
from engine.addresses import free_nics
from engine.disks import delete_disk, release_disk
from engine.guests import disks_of
from engine.intents.vm import ExpungeVm
from engine.saga import Run, Saga
from engine.sagas.vm_stop import power_off
from projections.vm import vms

expunge_vm = Saga(
    "vm.expunge:1",
    ExpungeVm,
    subject="vm",
    subject_id=lambda ask: ask.vm_id,
    forward_only=True,
)


def _vm(run: Run[ExpungeVm]) -> Vm:
    return run.row(vms, run.intent.vm_id)


@expunge_vm.step
def begin(run: Run[ExpungeVm]) -> None:
    vm = _vm(run)
    allowed = (VmState.RUNNING, VmState.STOPPED, VmState.DESTROYED)
    run.change(vm, vm.begin(VmState.EXPUNGING, run.id, *allowed))


@expunge_vm.step
async def remove_guest(run: Run[ExpungeVm]) -> None:
    await power_off(run, _vm(run), 0.0)


@expunge_vm.step(timeout_s=600)
async def remove_root_disk(run: Run[ExpungeVm]) -> None:
    for disk in disks_of(run, run.intent.vm_id):
        if disk.kind == "ROOT":
            await delete_disk(run, disk)


@expunge_vm.step
def forget(run: Run[ExpungeVm]) -> None:
    vm = _vm(run)
    if vm.hold is not None:
        run.add(run.world.allocator.release(vm.hold), vm.hold)
    free_nics(run, [nic.id for nic in vm.nics])
    for disk in disks_of(run, vm.id):
        if disk.kind == "ROOT":
            release_disk(run, disk)
            run.change(disk, VolumeRemoved())
        else:
            run.change(disk, VolumeDetached())
    run.change(vm, VmExpunged())
