"""Grow a volume: more room on its pool, a larger disk, and the guest sees it.

Another offering comes with it, if the caller says so: also to a volume that stays as large.
"""

from __future__ import annotations

from aggregates.vm import VmState, VmWorkEnded
from aggregates.volume import (
    Volume,
    VolumeGrowing,
    VolumeIdle,
    VolumeResized,
    VolumeState,
)
from engine.abilities import demand_alive, demand_of_disk
from engine.allocator import SpaceRequest
from engine.disks import limit_anew, reoffer
from engine.intents.volume import ResizeVolume
from engine.saga import Run, Saga
from engine.vm_snapshots import refuse_while_kept
from projections.vm import vms
from projections.volume import volumes

resize_volume = Saga(
    "volume.resize:1", ResizeVolume, subject="volume", subject_id=lambda ask: ask.volume_id
)


def _volume(run: Run[ResizeVolume]) -> Volume:
    return run.row(volumes, run.intent.volume_id)


def _let_go(run: Run[ResizeVolume]) -> None:
    """The guest is free again: while its volume grew, no other job had it."""
    vm_id = _volume(run).vm_id
    if vm_id is not None:
        run.change(run.row(vms, vm_id), VmWorkEnded())


@resize_volume.step
def begin(run: Run[ResizeVolume]) -> None:
    volume = _volume(run)
    volume.grow(run.intent.size_bytes)
    demand_of_disk(run, volume, "resize_disk")
    begun = volume.begin(VolumeState.RESIZING, run.id)
    run.change(volume, begun, VolumeGrowing(size_bytes=run.intent.size_bytes))
    if volume.vm_id is not None:
        vm = run.row(vms, volume.vm_id)
        if run.intent.size_bytes > volume.size_bytes:
            demand_alive(run, vm, "live_disk_growth")
        refuse_while_kept(run.cloud, vm, "keeps the size of its volumes")
        run.change(vm, vm.work("Resizing", run.id, VmState.RUNNING, VmState.STOPPED))


@begin.undo
def give_up(run: Run[ResizeVolume]) -> None:
    _let_go(run)
    run.change(_volume(run), VolumeIdle())


@resize_volume.step
def hold_room(run: Run[ResizeVolume]) -> None:
    """Only the growth is held anew, on the pool that the volume is on."""
    volume = _volume(run)
    more = run.intent.size_bytes - volume.size_bytes
    if volume.pool_id is None or more == 0:
        return
    request = SpaceRequest(
        volume_id=volume.id, zone_id=volume.zone_id, pool_id=volume.pool_id, size_bytes=more
    )
    run.add(run.world.allocator.take_space(request, run.key), run.key)


@hold_room.undo
def free_room(run: Run[ResizeVolume]) -> None:
    run.add(run.world.allocator.release_space(run.key), run.key)


@resize_volume.step(
    timeout_s=600,
    pivot=True,
    no_undo="a disk that has grown is not shrunk: its end may be in use already",
)
async def resize_disk(run: Run[ResizeVolume]) -> None:
    volume = _volume(run)
    if volume.pool_id is not None:
        session, pool = await run.world.hosts.with_pool(volume.pool_id)
        size_bytes = run.intent.size_bytes
        await session.resize_disk(pool, volume.id, size_bytes=size_bytes, key=run.key)


@resize_volume.step(no_undo="limits are told anew at each start, and by each other offering")
async def limit(run: Run[ResizeVolume]) -> None:
    await limit_anew(run, _volume(run), run.intent.offering)


@resize_volume.step(no_undo="the last step: nothing after it can fail")
def resized(run: Run[ResizeVolume]) -> None:
    volume = _volume(run)
    grown = volume.pool_id is not None and run.intent.size_bytes > volume.size_bytes
    hold = run.key_of(hold_room) if grown else None
    _let_go(run)
    run.change(volume, VolumeResized(size_bytes=run.intent.size_bytes, hold=hold))
    reoffer(run, volume, run.intent.offering)
