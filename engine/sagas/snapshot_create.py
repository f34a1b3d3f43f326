"""Take a snapshot of a volume: of a guest that runs on meanwhile, or of a disk at rest."""

from __future__ import annotations

from uuid import uuid5

import msgspec

from aggregates.errors import NotAllowed
from aggregates.record import RECORDS
from aggregates.snapshot import SnapshotCreated, SnapshotKept, SnapshotRemoved
from aggregates.vm import VmState
from aggregates.volume import Volume, VolumeIdle, VolumeState
from engine.abilities import demand_of_disk
from engine.allocator import SpaceRequest
from engine.disks import let_guest_go, near_guest, take_guest
from engine.intents.snapshot import CreateSnapshot
from engine.saga import Run, Saga
from projections.snapshot import snapshots
from projections.storage_pool import storage_pools
from projections.volume import volumes

create_snapshot = Saga(
    "snapshot.create:1",
    CreateSnapshot,
    subject="snapshot",
    subject_id=lambda ask: ask.snapshot_id,
)


class Kept(msgspec.Struct, frozen=True):
    path: str
    size_bytes: int
    used_bytes: int


def _volume(run: Run[CreateSnapshot]) -> Volume:
    return run.row(volumes, run.intent.volume_id)


@create_snapshot.step
def begin(run: Run[CreateSnapshot]) -> None:
    """The volume and its guest are this job's, and the snapshot has room in the volume's pool."""
    ask, volume = run.intent, _volume(run)
    if volume.pool_id is None:
        raise NotAllowed(
            f"volume {volume.name} is on no pool yet: there is nothing to keep before it is "
            "attached for the first time"
        )
    demand_of_disk(run, volume, "snapshots", "snapshot_disk")
    run.change(volume, volume.begin(VolumeState.SNAPSHOTTING, run.id))
    take_guest(run, volume, "Snapshotting", VmState.RUNNING, VmState.STOPPED, VmState.DESTROYED)
    room = SpaceRequest(
        volume_id=ask.snapshot_id,
        zone_id=volume.zone_id,
        pool_id=volume.pool_id,
        size_bytes=volume.size_bytes,
    )
    run.add(run.world.allocator.take_space(room, run.key), run.key)
    pool = run.row(storage_pools, volume.pool_id)
    run.guard(pool)
    created = SnapshotCreated(
        name=ask.name,
        account_id=volume.account_id,
        domain_id=volume.domain_id,
        zone_id=volume.zone_id,
        volume_id=volume.id,
        volume_name=volume.name,
        volume_kind=volume.kind,
        size_bytes=volume.size_bytes,
        hypervisor=pool.hypervisor,
        template_id=volume.template_id,
        pool_id=pool.id,
        hold=run.key,
        interval=ask.interval,
        policy_id=ask.policy_id,
        job_id=run.id,
    )
    run.create(ask.snapshot_id, created)
    owner = {"account_id": volume.account_id, "domain_id": volume.domain_id}
    for key, value in ask.tags.items():
        tag = {"kind": "snapshot", "resource_id": ask.snapshot_id, "key": key, "value": value}
        run.create(uuid5(ask.snapshot_id, f"tag/{key}"), RECORDS["tag"].create(tag | owner))


@begin.undo
def give_up(run: Run[CreateSnapshot]) -> None:
    run.add(run.world.allocator.release_space(run.key), run.key)
    _let_go(run)
    run.change(run.row(snapshots, run.intent.snapshot_id), SnapshotRemoved())


def _let_go(run: Run[CreateSnapshot]) -> None:
    volume = _volume(run)
    let_guest_go(run, volume)
    run.change(volume, VolumeIdle())


@create_snapshot.step(timeout_s=7200)
async def keep(run: Run[CreateSnapshot]) -> Kept:
    session, pool = await near_guest(run, _volume(run))
    ask = run.intent
    status = await session.snapshot_disk(pool, ask.volume_id, ask.snapshot_id, key=run.key)
    return Kept(status.path, status.size_bytes, status.used_bytes)


@keep.undo
async def drop(run: Run[CreateSnapshot]) -> None:
    snapshot = run.row(snapshots, run.intent.snapshot_id)
    session, pool = await run.world.hosts.with_pool(snapshot.pool_id)
    await session.remove_snapshot(pool, snapshot.id, key=run.key)


@create_snapshot.step(no_undo="the last step: nothing after it can fail")
def kept(run: Run[CreateSnapshot]) -> None:
    made = run[keep]
    _let_go(run)
    run.change(
        run.row(snapshots, run.intent.snapshot_id),
        SnapshotKept(path=made.path, size_bytes=made.size_bytes, used_bytes=made.used_bytes),
    )
