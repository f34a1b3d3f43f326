"""Attach a volume to a guest and detach it again, while the guest runs or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aggregates.errors import Exhausted, InUse, NotAllowed
from aggregates.vm import Vm, VmState, VmWorkEnded
from aggregates.volume import (
    Volume,
    VolumeAttached,
    VolumeDetached,
    VolumeIdle,
    VolumeReady,
    VolumeRemoved,
    VolumeState,
)
from drivers.contract.compute import Power
from drivers.contract.driver import HostSession
from engine.abilities import demand, demand_alive
from engine.decisions.volume import write_volume
from engine.disks import attachment, between, in_service, refuse_out_of_reach, room_for, source_pool
from engine.disks import make_disk as make_disk_of
from engine.intents.volume import AttachVolume, DetachVolume
from engine.saga import Run, Saga
from engine.vm_snapshots import refuse_while_kept
from projections.hypervisor_capabilities import data_volumes_max
from projections.storage_pool import storage_pools
from projections.vm import vms
from projections.volume import volumes

DEVICES = [device for device in range(1, 16) if device != 3]

attach_volume = Saga(
    "volume.attach:1", AttachVolume, subject="volume", subject_id=lambda ask: ask.volume_id
)
detach_volume = Saga(
    "volume.detach:1", DetachVolume, subject="volume", subject_id=lambda ask: ask.volume_id
)


@dataclass(frozen=True, slots=True)
class Slot:
    """Where the volume goes in the guest, and the pool that it is to be made on, if any."""

    device: int
    pool_id: UUID | None = None
    is_new: bool = False


def _volume(run: Run[Any]) -> Volume:
    volume_id: UUID = run.intent.volume_id
    return run.row(volumes, volume_id)


def _guest(run: Run[Any]) -> Vm:
    """The guest that the volume is attached to."""
    vm_id = _volume(run).vm_id
    assert vm_id is not None
    return run.row(vms, vm_id)


async def _runs(session: HostSession, vm_id: UUID) -> bool:
    """Whether the guest is alive. One that died is recorded as stopped once no job has it."""
    status = await session.find_guest(vm_id)
    return status is not None and status.power is Power.RUNNING


@attach_volume.step
def begin(run: Run[AttachVolume]) -> None:
    if run.intent.create is not None:
        write_volume(run, run.intent.create)
    volume = _volume(run)
    volume.attachable()
    in_service(run, volume)
    run.change(volume, volume.begin(VolumeState.ATTACHING, run.id))
    vm = run.row(vms, run.intent.vm_id)
    refuse_while_kept(run.cloud, vm, "takes no other volume")
    refuse_out_of_reach(run, volume, vm)
    demand(run, vm.hypervisor, "data_disks")
    demand_alive(run, vm, "disk_hot_plug", "attach_disk")
    run.change(vm, vm.work("Attaching", run.id, VmState.RUNNING, VmState.STOPPED))


@begin.undo
def give_up(run: Run[AttachVolume]) -> None:
    """A volume that was made to be attached is gone with the attempt."""
    made = run.intent.create is not None
    run.change(_volume(run), VolumeRemoved() if made else VolumeIdle())
    run.change(run.row(vms, run.intent.vm_id), VmWorkEnded())


@attach_volume.step
def choose_slot(run: Run[AttachVolume]) -> Slot:
    """A free device, and for a volume on no pool yet, room on one that the guest's host reaches."""
    ask, volume = run.intent, _volume(run)
    vm = run.row(vms, ask.vm_id)
    used = {other.device for other in run.cloud[volumes].by("vm_id", vm.id)}
    free = [device for device in DEVICES if device not in used]
    if ask.device is not None and ask.device not in free:
        raise InUse(f"device {ask.device} of virtual machine {vm.name} is taken: free are {free}")
    if not free:
        raise Exhausted(f"virtual machine {vm.name} has no free device for another volume")
    most = data_volumes_max(run.cloud, vm.hypervisor)
    if most is not None and sum(1 for device in used if device) >= most:
        raise NotAllowed(
            f"virtual machine {vm.name} has {most} data disks, as many as {vm.hypervisor} may: "
            "see updateHypervisorCapabilities"
        )
    device = free[0] if ask.device is None else ask.device
    if volume.pool_id is not None or (vm.host_id is None and volume.snapshot_id is None):
        return Slot(device, volume.pool_id)
    chosen = run.world.allocator.take_space(room_for(run, volume, vm), run.key)
    run.add(chosen, run.key)
    run.guard(run.row(storage_pools, chosen.pool_id))
    return Slot(device, chosen.pool_id, is_new=True)


@choose_slot.undo
def free_room(run: Run[AttachVolume]) -> None:
    run.add(run.world.allocator.release_space(run.key), run.key)


@attach_volume.step(timeout_s=600)
async def make_disk(run: Run[AttachVolume]) -> str:
    slot, volume = run[choose_slot], _volume(run)
    if not slot.is_new or slot.pool_id is None:
        return volume.path
    source = source_pool(run, volume)
    session, pool, _ = await between(run, slot.pool_id, source.id if source else slot.pool_id)
    return (await make_disk_of(run, session, pool, volume, key=run.key)).path


@make_disk.undo
async def remove_disk(run: Run[AttachVolume]) -> None:
    slot = run[choose_slot]
    if slot.is_new and slot.pool_id is not None:
        session, pool = await run.world.hosts.with_pool(slot.pool_id)
        await session.remove_disk(pool, run.intent.volume_id, key=run.key)


@attach_volume.step
async def plug(run: Run[AttachVolume]) -> None:
    """A stopped guest gets the volume when it starts."""
    vm = run.row(vms, run.intent.vm_id)
    if vm.host_id is not None:
        session = await run.world.hosts.session(vm.host_id)
        if not await _runs(session, vm.id):
            return
        device = run[choose_slot].device
        disk = attachment(run, _volume(run), run[make_disk], vm=vm, device=device)
        await session.attach_disk(vm.id, disk, key=run.key)


@plug.undo
async def unplug(run: Run[AttachVolume]) -> None:
    vm = run.row(vms, run.intent.vm_id)
    if vm.host_id is not None:
        session = await run.world.hosts.session(vm.host_id)
        await session.detach_disk(vm.id, run.intent.volume_id, key=run.key)


@attach_volume.step(no_undo="the last step: nothing after it can fail")
def attached(run: Run[AttachVolume]) -> None:
    slot, volume = run[choose_slot], _volume(run)
    if slot.is_new and slot.pool_id is not None:
        ready = VolumeReady(
            pool_id=slot.pool_id,
            path=run[make_disk],
            size_bytes=volume.size_bytes,
            hold=run.key_of(choose_slot),
        )
        run.change(volume, ready)
    run.change(volume, VolumeAttached(vm_id=run.intent.vm_id, device=slot.device))
    run.change(run.row(vms, run.intent.vm_id), VmWorkEnded())


@detach_volume.step
def begin_detach(run: Run[DetachVolume]) -> None:
    volume = _volume(run)
    volume.detachable()
    run.change(volume, volume.begin(VolumeState.ATTACHING, run.id))
    vm = _guest(run)
    refuse_while_kept(run.cloud, vm, "keeps its volumes")
    demand_alive(run, vm, "disk_hot_plug", "detach_disk")
    run.change(vm, vm.work("Detaching", run.id, VmState.RUNNING, VmState.STOPPED))


@begin_detach.undo
def give_up_detach(run: Run[DetachVolume]) -> None:
    volume = _volume(run)
    run.change(volume, VolumeIdle())
    run.change(_guest(run), VmWorkEnded())


@detach_volume.step
async def unplug_disk(run: Run[DetachVolume]) -> None:
    volume = _volume(run)
    vm = _guest(run)
    if vm.host_id is not None:
        session = await run.world.hosts.session(vm.host_id)
        await session.detach_disk(vm.id, volume.id, key=run.key)


@unplug_disk.undo
async def plug_again(run: Run[DetachVolume]) -> None:
    volume = _volume(run)
    vm = _guest(run)
    if vm.host_id is not None:
        session = await run.world.hosts.session(vm.host_id)
        if await _runs(session, vm.id):
            await session.attach_disk(
                vm.id, attachment(run, volume, volume.path, vm=vm), key=run.undo_key
            )


@detach_volume.step(no_undo="the last step: nothing after it can fail")
def detached(run: Run[DetachVolume]) -> None:
    volume = _volume(run)
    vm = _guest(run)
    run.change(volume, VolumeDetached())
    run.change(vm, VmWorkEnded())
