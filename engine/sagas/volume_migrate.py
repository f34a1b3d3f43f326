"""Move a volume to another pool: a disk at rest, or that of a guest that runs on meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

import msgspec

from aggregates.errors import Invalid, NotAllowed
from aggregates.vm import VmState
from aggregates.volume import (
    Volume,
    VolumeIdle,
    VolumeMoved,
    VolumeState,
)
from drivers.contract.compute import Power
from drivers.contract.errors import DriverError, Refused, Unknown
from drivers.contract.storage import DiskPlace, DiskSpec
from engine.abilities import demand, demand_of_disk
from engine.allocator import SpaceRequest
from engine.disks import (
    between,
    let_guest_go,
    limit_anew,
    meet,
    near_guest,
    pool_spec,
    release_disk,
    reoffer,
    take_guest,
)
from engine.intents.volume import MigrateVolume
from engine.saga import Run, Saga
from engine.vm_snapshots import refuse_while_kept
from projections.host import hosts
from projections.storage_pool import StoragePool, storage_pools
from projections.vm import vms
from projections.volume import volumes

T = TypeVar("T")

migrate_volume = Saga(
    "volume.migrate:1", MigrateVolume, subject="volume", subject_id=lambda ask: ask.volume_id
)


class Plan(msgspec.Struct, frozen=True):
    """`is_live`: a guest runs from it, and goes on from the copy."""

    is_live: bool


def _volume(run: Run[MigrateVolume]) -> Volume:
    return run.row(volumes, run.intent.volume_id)


@migrate_volume.step
def begin(run: Run[MigrateVolume]) -> Plan:
    volume, target = _volume(run), run.row(storage_pools, run.intent.pool_id)
    if volume.pool_id is None:
        raise NotAllowed(f"volume {volume.name} is on no pool yet: there is nothing to move")
    if volume.pool_id == target.id:
        raise Invalid(f"volume {volume.name} is in pool {target.name} already", field="storageid")
    if volume.vm_id is not None:
        refuse_while_kept(run.cloud, run.row(vms, volume.vm_id), "keeps its volumes where they are")
    is_live = _is_live(run, volume)
    if not is_live:
        demand_of_disk(run, volume, "copy_disk")
    _check_reach(run, volume, target)
    run.change(volume, volume.begin(VolumeState.MIGRATING, run.id))
    take_guest(run, volume, "Moving a disk", VmState.RUNNING, VmState.STOPPED)
    room = SpaceRequest(
        volume_id=volume.id,
        zone_id=volume.zone_id,
        pool_id=target.id,
        size_bytes=volume.size_bytes,
    )
    run.add(run.world.allocator.take_space(room, run.key), run.key)
    run.guard(target)
    return Plan(is_live)


def _is_live(run: Run[MigrateVolume], volume: Volume) -> bool:
    vm = run.cloud[vms].get(volume.vm_id)
    if vm is None or vm.host_id is None:
        return False
    if not run.intent.live:
        raise NotAllowed(
            f"virtual machine {vm.name} runs from volume {volume.name}: stop it, or say "
            "livemigrate=true"
        )
    demand(run, vm.hypervisor, "live_disk_move", "move_disk")
    return True


def _check_reach(run: Run[MigrateVolume], volume: Volume, target: StoragePool) -> None:
    """Some host must reach both pools; for a guest that runs it is the guest's."""
    assert volume.pool_id is not None
    home = run.row(storage_pools, volume.pool_id)
    if not meet(home, target):
        raise Invalid(
            f"no host reaches both pool {home.name} and pool {target.name}: "
            "findStoragePoolsForMigration shows the suitable ones",
            field="storageid",
        )
    vm = run.cloud[vms].get(volume.vm_id)
    host = run.cloud[hosts].get(None if vm is None else vm.host_id)
    if host is not None and not (
        target.cluster_id in (None, host.cluster_id) and target.host_id in (None, host.id)
    ):
        raise Invalid(
            f"host {host.name}, where its guest runs, does not reach pool {target.name}",
            field="storageid",
        )


@begin.undo
def give_up(run: Run[MigrateVolume]) -> None:
    run.add(run.world.allocator.release_space(run.key), run.key)
    _let_go(run)


def _let_go(run: Run[MigrateVolume]) -> None:
    volume = _volume(run)
    let_guest_go(run, volume)
    if volume.job_id == run.id:
        run.change(volume, VolumeIdle())


@migrate_volume.step(timeout_s=14_400)
async def copy(run: Run[MigrateVolume]) -> str:
    """A disk at rest is copied first; that of a running guest waits for the next step."""
    volume = _volume(run)
    if not run[begin].is_live:
        return await _copied(run, volume)
    session, _ = await near_guest(run, volume)
    await session.open_pool(pool_spec(run, run.intent.pool_id))
    return ""


@copy.undo
async def remove_copy(run: Run[MigrateVolume]) -> None:
    session, pool = await run.world.hosts.with_pool(run.intent.pool_id)
    await session.remove_disk(pool, run.intent.volume_id, key=run.key)


@migrate_volume.step(
    timeout_s=14_400, pivot=True, no_undo="a volume that is in its new pool alone is not sent back"
)
async def change_over(run: Run[MigrateVolume]) -> str:
    """From here on the copy is the volume: what it was copied from goes. Says where it is."""
    volume = _volume(run)
    path = run[copy] or await _moved(run, volume)
    try:
        session, source = await near_guest(run, volume)
        await session.remove_disk(source, volume.id, key=run.key)
    except DriverError as error:
        raise Unknown(
            f"volume {volume.name} is moved, but its old disk is there: {error}"
        ) from error
    return path


async def _moved(run: Run[MigrateVolume], volume: Volume) -> str:
    """Where the disk of a guest is that ran when this began. It may have died since.

    An earlier attempt may have moved it unheard: a refusal counts if it is not in its new pool.
    """
    assert volume.vm_id is not None
    session, _ = await near_guest(run, volume)
    target, refused = pool_spec(run, run.intent.pool_id), None
    await _answer(session.open_pool(target))
    status = await _answer(session.find_guest(volume.vm_id))
    if status is not None and status.power is Power.RUNNING:
        try:
            return (await session.move_disk(volume.vm_id, volume.id, target, key=run.key)).path
        except Refused as error:
            refused = error
    there = await _answer(session.find_disk(target, volume.id))
    if there is not None:
        return there.path
    if refused is not None:
        raise refused
    return await _copied(run, volume)


async def _answer(question: Awaitable[T]) -> T:
    """What is refused here is to answer, and not to move."""
    try:
        return await question
    except Refused as refused:
        raise Unknown(f"the disk may have moved, and it is not told: {refused}") from refused


async def _copied(run: Run[MigrateVolume], volume: Volume) -> str:
    assert volume.pool_id is not None
    session, source, target = await between(run, volume.pool_id, run.intent.pool_id)
    place = DiskPlace(pool=source, disk_id=volume.id)
    spec = DiskSpec(volume_id=volume.id, size_bytes=volume.size_bytes)
    return (await session.copy_disk(place, target, spec, key=run.key)).path


@migrate_volume.step(no_undo="limits are told anew at each start, and by each other offering")
async def limit(run: Run[MigrateVolume]) -> None:
    await limit_anew(run, _volume(run), run.intent.offering)


@migrate_volume.step(no_undo="the last step: nothing after it can fail")
def moved(run: Run[MigrateVolume]) -> None:
    volume, ask = _volume(run), run.intent
    release_disk(run, volume)
    there = VolumeMoved(pool_id=ask.pool_id, path=run[change_over], hold=run.key_of(begin))
    run.change(volume, there)
    reoffer(run, volume, ask.offering)
    _let_go(run)
