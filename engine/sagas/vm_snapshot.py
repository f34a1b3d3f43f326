"""Keep a whole guest as it is, let it be that again, and keep it no longer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aggregates.errors import Exhausted, NotAllowed
from aggregates.vm import Vm, VmState, VmWorkEnded
from aggregates.vm_snapshot import (
    VmSnapshot,
    VmSnapshotCreated,
    VmSnapshotKind,
    VmSnapshotPlaced,
    VmSnapshotReady,
    VmSnapshotRemoved,
    VmSnapshotState,
)
from aggregates.volume import Volume
from drivers.contract.compute import DiskAttachment
from drivers.contract.driver import HostSession
from engine.abilities import demand
from engine.disks import attachment
from engine.guests import disks_of
from engine.intents.vm_snapshot import CreateVmSnapshot, DeleteVmSnapshot, RevertToVmSnapshot
from engine.saga import Run, Saga
from projections.setting import number_of
from projections.vm import vms
from projections.vm_snapshot import vm_snapshots

RUNS_OR_NOT = (VmState.RUNNING, VmState.STOPPED)
LIMIT_S = 1800

create_snapshot = Saga(
    "vm_snapshot.create:1",
    CreateVmSnapshot,
    subject="vm_snapshot",
    subject_id=lambda ask: ask.snapshot_id,
)
delete_snapshot = Saga(
    "vm_snapshot.delete:1",
    DeleteVmSnapshot,
    subject="vm_snapshot",
    subject_id=lambda ask: ask.snapshot_id,
    forward_only=True,
)
revert_to_snapshot = Saga(
    "vm_snapshot.revert:1",
    RevertToVmSnapshot,
    subject="vm",
    subject_id=lambda ask: ask.vm_id,
)


def _snapshot(run: Run[Any]) -> VmSnapshot:
    snapshot_id: UUID = run.intent.snapshot_id
    return run.row(vm_snapshots, snapshot_id)


def _vm(run: Run[Any]) -> Vm:
    """The guest of the snapshot."""
    return run.row(vms, _snapshot(run).vm_id)


def _disks(run: Run[Any]) -> tuple[DiskAttachment, ...]:
    wanted = _snapshot(run).volume_ids
    return tuple(
        attachment(run, disk, disk.path, vm=_vm(run))
        for disk in disks_of(run, _vm(run).id)
        if disk.id in wanted
    )


async def _session(run: Run[Any]) -> HostSession:
    """The host where the guest runs, or one that reaches its disks."""
    vm = _vm(run)
    if vm.host_id is not None:
        return await run.world.hosts.session(vm.host_id)
    pools = [disk.pool_id for disk in disks_of(run, vm.id) if disk.pool_id is not None]
    session, _ = await run.world.hosts.with_pool(pools[0])
    return session


def kept_of(run: Run[Any], vm_id: UUID) -> list[VmSnapshot]:
    """The snapshots of a guest, oldest first, as this run sees them."""
    rows = run.cloud[vm_snapshots].by("vm_id", vm_id)
    return sorted(
        (run.row(vm_snapshots, one.id) for one in rows), key=lambda one: one.created_at_ms
    )


@create_snapshot.step
def begin(run: Run[CreateVmSnapshot]) -> None:
    ask = run.intent
    vm = run.row(vms, ask.vm_id)
    disks = disks_of(run, vm.id)
    _check(run, vm, disks)
    others = kept_of(run, vm.id)
    most = int(number_of(run.cloud, "vmsnapshot.max"))
    if len(others) >= most:
        raise Exhausted(
            f"virtual machine {vm.name} has {len(others)} VM snapshots, and vmsnapshot.max allows "
            f"{most}: delete one first"
        )
    run.change(vm, vm.work("Snapshotting", run.id, *RUNS_OR_NOT))
    current = next((one for one in others if one.is_current), None)
    run.create(
        ask.snapshot_id,
        VmSnapshotCreated(
            name=ask.name,
            display_name=ask.display_name,
            description=ask.description,
            vm_id=vm.id,
            account_id=vm.account_id,
            domain_id=vm.domain_id,
            zone_id=vm.zone_id,
            kind=VmSnapshotKind.DISK_AND_MEMORY if ask.with_memory else VmSnapshotKind.DISK,
            parent_id=None if current is None else current.id,
            volume_ids=[disk.id for disk in disks],
            job_id=run.id,
        ),
    )


def _check(run: Run[CreateVmSnapshot], vm: Vm, disks: list[Volume]) -> None:
    """What the guest's state and its hypervisor allow."""
    demand(run, vm.hypervisor, "guest_snapshots", "snapshot_guest")
    can = run.world.hosts.capabilities(vm.hypervisor)
    if any(disk.pool_id is None for disk in disks):
        raise NotAllowed(f"virtual machine {vm.name} has never run: there is nothing to keep yet")
    if run.intent.with_memory and vm.state is VmState.STOPPED:
        raise NotAllowed(
            f"virtual machine {vm.name} is Stopped and has no memory to keep: leave out "
            "snapshotmemory"
        )
    if not run.intent.with_memory and vm.state is VmState.RUNNING and not can.disk_snapshots_alive:
        raise NotAllowed(
            f"{vm.hypervisor} keeps a running guest with its memory only: say snapshotmemory=true, "
            f"or stop virtual machine {vm.name} first"
        )


@begin.undo
def give_up(run: Run[CreateVmSnapshot]) -> None:
    run.change(_vm(run), VmWorkEnded())
    run.change(_snapshot(run), VmSnapshotRemoved())


@create_snapshot.step(timeout_s=LIMIT_S)
async def keep(run: Run[CreateVmSnapshot]) -> None:
    session = await _session(run)
    await session.snapshot_guest(
        run.intent.vm_id,
        run.intent.snapshot_id,
        _disks(run),
        with_memory=run.intent.with_memory,
        key=run.key,
    )


@keep.undo
async def keep_not(run: Run[CreateVmSnapshot]) -> None:
    session = await _session(run)
    await session.forget_snapshot(
        run.intent.vm_id, run.intent.snapshot_id, _disks(run), key=run.key
    )


@create_snapshot.step(no_undo="the last step: nothing after it can fail")
def kept(run: Run[CreateVmSnapshot]) -> None:
    run.change(_snapshot(run), VmSnapshotReady())
    _make_current(run, _snapshot(run))
    run.change(_vm(run), VmWorkEnded())


def _make_current(run: Run[Any], chosen: VmSnapshot) -> None:
    """The guest goes on from this one, and from no other."""
    for one in kept_of(run, chosen.vm_id):
        if one.is_current and one.id != chosen.id:
            run.change(one, VmSnapshotPlaced(parent_id=one.parent_id, is_current=False))
    if not chosen.is_current:
        run.change(chosen, VmSnapshotPlaced(parent_id=chosen.parent_id, is_current=True))


@delete_snapshot.step
def begin_deletion(run: Run[DeleteVmSnapshot]) -> None:
    vm = _vm(run)
    run.change(_snapshot(run), _snapshot(run).begin(VmSnapshotState.EXPUNGING, run.id))
    run.change(vm, vm.work("DeletingSnapshot", run.id, *RUNS_OR_NOT, VmState.DESTROYED))


@delete_snapshot.step(timeout_s=LIMIT_S)
async def forget(run: Run[DeleteVmSnapshot]) -> None:
    session = await _session(run)
    await session.forget_snapshot(_vm(run).id, run.intent.snapshot_id, _disks(run), key=run.key)


@delete_snapshot.step
def deleted(run: Run[DeleteVmSnapshot]) -> None:
    """Those that began from it begin from its parent now, and so does the guest."""
    vm, gone = _vm(run), _snapshot(run)
    for one in kept_of(run, gone.vm_id):
        if one.parent_id == gone.id:
            placed = VmSnapshotPlaced(parent_id=gone.parent_id, is_current=one.is_current)
            run.change(one, placed)
    if gone.is_current and gone.parent_id is not None:
        parent = run.row(vm_snapshots, gone.parent_id)
        run.change(parent, VmSnapshotPlaced(parent_id=parent.parent_id, is_current=True))
    run.change(gone, VmSnapshotRemoved())
    run.change(vm, VmWorkEnded())


@revert_to_snapshot.step
def begin_revert(run: Run[RevertToVmSnapshot]) -> None:
    vm, chosen = _vm(run), _snapshot(run)
    wanted = VmState.STOPPED if chosen.kind is VmSnapshotKind.DISK else VmState.RUNNING
    if vm.state in RUNS_OR_NOT and vm.state is not wanted:
        how = "stop it" if wanted is VmState.STOPPED else "start it"
        raise NotAllowed(
            f"virtual machine {vm.name} is {vm.state} and VM snapshot {chosen.display_name} holds "
            f"{chosen.kind}: {how} first"
        )
    run.change(chosen, chosen.begin(VmSnapshotState.REVERTING, run.id))
    run.change(vm, vm.work("Reverting", run.id, *RUNS_OR_NOT))


@begin_revert.undo
def stay(run: Run[RevertToVmSnapshot]) -> None:
    run.change(_snapshot(run), VmSnapshotReady())
    run.change(_vm(run), VmWorkEnded())


@revert_to_snapshot.step(
    timeout_s=LIMIT_S, pivot=True, no_undo="what the guest did since is not kept anywhere"
)
async def revert(run: Run[RevertToVmSnapshot]) -> None:
    session = await _session(run)
    await session.revert_guest(
        _vm(run).id,
        run.intent.snapshot_id,
        _disks(run),
        with_memory=_snapshot(run).kind is VmSnapshotKind.DISK_AND_MEMORY,
        key=run.key,
    )


@revert_to_snapshot.step(no_undo="the last step: nothing after it can fail")
def reverted(run: Run[RevertToVmSnapshot]) -> None:
    run.change(_snapshot(run), VmSnapshotReady())
    _make_current(run, _snapshot(run))
    run.change(_vm(run), VmWorkEnded())
