"""Putting a disc into a guest's drive and taking it out, while the guest runs or not."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aggregates.errors import InUse, NotAllowed
from aggregates.vm import Vm, VmDiscChanged, VmState, VmWorkEnded
from drivers.contract.compute import Power
from engine.abilities import demand
from engine.discs import disc_for, pool_of
from engine.intents.iso import AttachIso, DetachIso
from engine.saga import Key, Run, Saga
from projections.iso import isos
from projections.vm import vms

attach_iso = Saga("vm.attach_iso:1", AttachIso, subject="vm", subject_id=lambda ask: ask.vm_id)
detach_iso = Saga("vm.detach_iso:1", DetachIso, subject="vm", subject_id=lambda ask: ask.vm_id)


def _guest(run: Run[Any]) -> Vm:
    return run.row(vms, run.intent.vm_id)


@attach_iso.step
def begin_attach(run: Run[AttachIso]) -> UUID | None:
    """Answers with the disc that was in the drive before."""
    vm, iso = _guest(run), run.row(isos, run.intent.iso_id)
    iso.ready_in(vm.zone_id)
    demand(run, vm.hypervisor, "iso")
    if vm.iso_id is not None and not run.intent.forced:
        raise InUse(
            f"virtual machine {vm.name} has ISO {vm.iso_id} in its drive: detach it first, "
            "or say forced=true"
        )
    run.guard(iso)
    run.change(vm, vm.work("AttachingIso", run.id, VmState.RUNNING, VmState.STOPPED))
    return vm.iso_id


@begin_attach.undo
def give_up_attach(run: Run[AttachIso]) -> None:
    run.change(_guest(run), VmWorkEnded())


@attach_iso.step(timeout_s=900)
async def insert(run: Run[AttachIso]) -> None:
    """A stopped guest finds the disc when it starts."""
    await _change(run, run[begin_attach], run.intent.iso_id, run.key)


@insert.undo
async def insert_former(run: Run[AttachIso]) -> None:
    await _change(run, run.intent.iso_id, run[begin_attach], run.undo_key)


@attach_iso.step(no_undo="the last step: nothing after it can fail")
def inserted(run: Run[AttachIso]) -> None:
    run.change(_guest(run), VmDiscChanged(iso_id=run.intent.iso_id), VmWorkEnded())


@detach_iso.step
def begin_detach(run: Run[DetachIso]) -> UUID | None:
    vm = _guest(run)
    if vm.iso_id is None:
        raise NotAllowed(f"virtual machine {vm.name} has no ISO attached to it")
    run.change(vm, vm.work("DetachingIso", run.id, VmState.RUNNING, VmState.STOPPED))
    return vm.iso_id


@begin_detach.undo
def give_up_detach(run: Run[DetachIso]) -> None:
    run.change(_guest(run), VmWorkEnded())


@detach_iso.step(timeout_s=120)
async def eject(run: Run[DetachIso]) -> None:
    await _change(run, run[begin_detach], None, run.key)


@eject.undo
async def insert_again(run: Run[DetachIso]) -> None:
    await _change(run, None, run[begin_detach], run.undo_key)


@detach_iso.step(no_undo="the last step: nothing after it can fail")
def ejected(run: Run[DetachIso]) -> None:
    run.change(_guest(run), VmDiscChanged(iso_id=None), VmWorkEnded())


async def _change(run: Run[Any], old: UUID | None, new: UUID | None, plug: Key) -> None:
    """Change the medium of a guest that runs; doing it again changes nothing.

    `plug` is the key of putting `new` in, as an undo puts in again what this step took out.
    """
    vm = _guest(run)
    if vm.host_id is None:
        return
    session = await run.world.hosts.session(vm.host_id)
    status = await session.find_guest(vm.id)
    if status is None or status.power is not Power.RUNNING:
        return
    disc = await disc_for(run, vm, new, session, pool_of(run, vm.id))
    if old is not None and old != new:
        await session.detach_disk(vm.id, old, key=run.key)
    if disc is not None:
        await session.attach_disk(vm.id, disc, key=plug)
