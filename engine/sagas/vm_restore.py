"""Give a virtual machine a fresh root disk, from its own template or another.

The new disk is made while the guest still runs. Then the guest is stopped and, if it ran, started
from it; only when that is true does the old disk go. Before that moment everything is taken
back: the guest runs again from the disk that it had.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from aggregates.errors import NotAllowed, NotFound
from aggregates.vm import Vm, VmState, VmWorkEnded
from aggregates.vm_life import VmRestored
from aggregates.volume import (
    Volume,
    VolumeAttached,
    VolumeBusy,
    VolumeCreated,
    VolumeDetached,
    VolumeReady,
    VolumeRemoved,
    VolumeState,
)
from engine import config_drive, passwords
from engine.disks import attachment, delete_disk, disk_spec, release_disk, room_for
from engine.guests import disks_of, may_take_its_kinds_time, whole_spec
from engine.intents.vm_life import RestoreVm
from engine.saga import Run, Saga
from engine.sagas.vm_stop import GRACE_S, power_off
from engine.vm_snapshots import refuse_while_kept
from projections.storage_pool import storage_pools
from projections.template import templates
from projections.vm import vms
from projections.volume import volumes

restore_vm = Saga("vm.restore:1", RestoreVm, subject="vm", subject_id=lambda ask: ask.vm_id)


def _vm(run: Run[RestoreVm]) -> Vm:
    return run.row(vms, run.intent.vm_id)


def _fresh(run: Run[RestoreVm]) -> Volume:
    return run.row(volumes, run.intent.volume_id)


def _old(run: Run[RestoreVm]) -> Volume:
    """The root disk that the guest had when the job began."""
    return run.row(volumes, run[begin])


@restore_vm.step
def begin(run: Run[RestoreVm]) -> UUID:
    """Take the guest, and let the fresh volume exist; answers with the one that it replaces."""
    vm, ask = _vm(run), run.intent
    refuse_while_kept(run.cloud, vm, "keeps its root disk")
    template = run.row(templates, ask.template_id)
    if not template.is_ready:
        raise NotAllowed(f"template {template.name} is not ready ({template.state}): wait for it")
    run.guard(template)
    old = next((disk for disk in disks_of(run, vm.id) if disk.kind == "ROOT"), None)
    if old is None:
        raise NotFound(f"virtual machine {vm.name} has no root disk: nothing to restore")
    run.change(vm, vm.work("Restoring", run.id, VmState.RUNNING, VmState.STOPPED))
    run.create(
        ask.volume_id,
        VolumeCreated(
            name=old.name,
            account_id=vm.account_id,
            domain_id=vm.domain_id,
            zone_id=vm.zone_id,
            kind="ROOT",
            size_bytes=ask.size_bytes,
            offering_id=old.offering_id,
            template_id=ask.template_id,
            vm_id=None,
            device=None,
            is_displayed=old.is_displayed,
        ),
    )
    run.change(_fresh(run), VolumeBusy(doing=VolumeState.CREATING, job_id=run.id))
    return old.id


@begin.undo
def give_up(run: Run[RestoreVm]) -> None:
    run.change(_fresh(run), VolumeRemoved())
    run.change(_vm(run), VmWorkEnded())


@restore_vm.step
def hold_room(run: Run[RestoreVm]) -> UUID | None:
    """Room beside the old disk, or where its neighbours reach. One on no pool needs none yet."""
    vm, fresh, old = _vm(run), _fresh(run), _old(run)
    if old.pool_id is None:
        return None
    chosen = run.world.allocator.take_space(room_for(run, fresh, vm), run.key)
    run.add(chosen, run.key)
    run.guard(run.row(storage_pools, chosen.pool_id))
    return chosen.pool_id


@hold_room.undo
def free_room(run: Run[RestoreVm]) -> None:
    run.add(run.world.allocator.release_space(run.key), run.key)


@restore_vm.step(timeout_s=900)
async def make_disk(run: Run[RestoreVm]) -> str:
    pool_id = run[hold_room]
    if pool_id is None:
        return ""
    session, pool = await run.world.hosts.with_pool(pool_id)
    spec = disk_spec(run, _fresh(run), run.intent.vm_id)
    return (await session.create_disk(pool, spec, key=run.key)).path


@make_disk.undo
async def remove_disk(run: Run[RestoreVm]) -> None:
    pool_id = run[hold_room]
    if pool_id is not None:
        session, pool = await run.world.hosts.with_pool(pool_id)
        await session.remove_disk(pool, run.intent.volume_id, key=run.key)


@restore_vm.step
async def stop_guest(run: Run[RestoreVm]) -> None:
    await power_off(run, _vm(run), GRACE_S)


@stop_guest.undo
async def start_as_it_was(run: Run[RestoreVm]) -> None:
    vm = _vm(run)
    if vm.host_id is not None:
        may_take_its_kinds_time(run, vm)
        session = await run.world.hosts.session(vm.host_id)
        spec = await whole_spec(run, vm, session, {})
        await session.start_guest(spec, key=run.undo_key)


@restore_vm.step
async def start_afresh(run: Run[RestoreVm]) -> None:
    vm = _vm(run)
    if vm.host_id is None:
        return
    may_take_its_kinds_time(run, vm)
    session = await run.world.hosts.session(vm.host_id)
    password = await passwords.kept(run, vm) if _takes_password(run) else ""
    spec = await whole_spec(run, vm, session, {}, password=password)
    kept = [disk for disk in spec.disks if disk.volume_id != run[begin]]
    root = attachment(run, _fresh(run), run[make_disk], vm=vm)
    spec = replace(spec, disks=(root, *kept))
    await session.start_guest(spec, key=run.key)


def _takes_password(run: Run[RestoreVm]) -> bool:
    """A fresh disk knows no password: the guest is told the one that it was given last."""
    return run.row(templates, run.intent.template_id).password_enabled


@start_afresh.undo
async def stop_again(run: Run[RestoreVm]) -> None:
    """The fresh disk is let go of before the guest is started from the old one."""
    vm = _vm(run)
    await power_off(run, vm, 0.0)
    if not vm.password_due and vm.password_job_id is None:
        await passwords.forget(run, vm.id)


@restore_vm.step(pivot=True, no_undo="from here on the fresh disk is the guest's")
def switch(run: Run[RestoreVm]) -> None:
    vm, fresh, old = _vm(run), _fresh(run), _old(run)
    pool_id = run[hold_room]
    if pool_id is not None:
        ready = VolumeReady(
            pool_id=pool_id,
            path=run[make_disk],
            size_bytes=fresh.size_bytes,
            hold=run.key_of(hold_room),
        )
        run.change(fresh, ready)
    run.change(old, VolumeDetached(), VolumeBusy(doing=VolumeState.EXPUNGING, job_id=run.id))
    run.change(fresh, VolumeAttached(vm_id=vm.id, device=0))
    due = None
    if _takes_password(run):
        due = vm.host_id is None or not config_drive.tells(run, vm)
    run.change(vm, VmRestored(template_id=run.intent.template_id, password_due=due))


@restore_vm.step(timeout_s=600, no_undo="what is replaced is not kept")
async def delete_old(run: Run[RestoreVm]) -> None:
    await delete_disk(run, _old(run))


@restore_vm.step(no_undo="the last step: nothing after it can fail")
def restored(run: Run[RestoreVm]) -> None:
    old = _old(run)
    release_disk(run, old)
    run.change(old, VolumeRemoved())
    run.change(_vm(run), VmWorkEnded())
