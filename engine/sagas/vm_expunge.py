"""Expunge a virtual machine: afterwards nothing of it is left but its history.

Forward only: what is half removed is removed further, or parked for a person, never restored.
"""

from __future__ import annotations

from aggregates.errors import NotAllowed
from aggregates.vm import Vm, VmExpunged, VmState
from aggregates.vm_snapshot import VmSnapshotRemoved
from aggregates.volume import Volume, VolumeDetached, VolumeRemoved
from engine import passwords
from engine.addresses import free_cards
from engine.disks import attachment, delete_disk, release_disk
from engine.guests import disks_of, free_capacity
from engine.intents.vm import ExpungeVm
from engine.ip_rules import forget_guest
from engine.saga import Run, Saga
from engine.sagas.vm_snapshot import kept_of
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


def _goes(run: Run[ExpungeVm], disk: Volume) -> bool:
    """Root disks go with their guest, and the data disks that were named."""
    return disk.kind == "ROOT" or disk.id in run.intent.volume_ids


@expunge_vm.step
def begin(run: Run[ExpungeVm]) -> None:
    vm = _vm(run)
    if run.intent.let_go and vm.state in (VmState.RUNNING, VmState.STOPPED):
        raise NotAllowed(
            f"virtual machine {vm.name} is {vm.state}: destroy it before it is expunged"
        )
    allowed = (VmState.RUNNING, VmState.STOPPED, VmState.DESTROYED)
    run.change(vm, vm.begin(VmState.EXPUNGING, run.id, *allowed))


@expunge_vm.step
async def remove_guest(run: Run[ExpungeVm]) -> None:
    await power_off(run, _vm(run), 0.0)


@expunge_vm.step(timeout_s=600)
async def remove_root_disk(run: Run[ExpungeVm]) -> None:
    for disk in disks_of(run, run.intent.vm_id):
        if _goes(run, disk):
            await delete_disk(run, disk)
    await passwords.forget_all(run, _vm(run))


@expunge_vm.step(timeout_s=600)
async def forget_snapshots(run: Run[ExpungeVm]) -> None:
    """Out of the disks that stay; those that go take their own with them."""
    stay = [disk for disk in disks_of(run, run.intent.vm_id) if not _goes(run, disk)]
    for snapshot in kept_of(run, run.intent.vm_id):
        for disk in stay:
            if disk.id in snapshot.volume_ids and disk.pool_id is not None:
                session, _ = await run.world.hosts.with_pool(disk.pool_id)
                held = (attachment(run, disk, disk.path, vm=_vm(run)),)
                await session.forget_snapshot(snapshot.vm_id, snapshot.id, held, key=run.key)


@expunge_vm.step
def forget(run: Run[ExpungeVm]) -> None:
    vm = _vm(run)
    for snapshot in kept_of(run, vm.id):
        run.change(snapshot, VmSnapshotRemoved())
    free_capacity(run, vm)
    forget_guest(run, vm)
    free_cards(run, vm.nics)
    for disk in disks_of(run, vm.id):
        if _goes(run, disk):
            release_disk(run, disk)
            run.change(disk, VolumeRemoved())
        else:
            run.change(disk, VolumeDetached())
    run.change(vm, VmExpunged())
