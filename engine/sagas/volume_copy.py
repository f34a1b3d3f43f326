"""Make a volume out of a snapshot: it stands alone, and may be larger."""

from __future__ import annotations

from uuid import UUID

from aggregates.volume import Volume, VolumeReady, VolumeRemoved, VolumeState
from engine.abilities import demand
from engine.decisions.volume import write_volume
from engine.disks import between, make_disk, room_for, source_pool
from engine.intents.volume import CopySnapshot
from engine.saga import Run, Saga
from projections.storage_pool import storage_pools
from projections.volume import volumes

copy_snapshot = Saga(
    "volume.copy:1",
    CopySnapshot,
    subject="volume",
    subject_id=lambda ask: ask.create.volume_id,
)


def _volume(run: Run[CopySnapshot]) -> Volume:
    return run.row(volumes, run.intent.create.volume_id)


@copy_snapshot.step
def begin(run: Run[CopySnapshot]) -> UUID:
    """The volume exists, with room in a pool near its snapshot; says which pool."""
    write_volume(run, run.intent.create)
    volume = _volume(run)
    run.change(volume, volume.begin(VolumeState.CREATING, run.id))
    chosen = run.world.allocator.take_space(room_for(run, volume, None), run.key)
    run.add(chosen, run.key)
    pool = run.row(storage_pools, chosen.pool_id)
    run.guard(pool)
    if pool.hypervisor != "Any":
        demand(run, pool.hypervisor, "copy_disk")
    return chosen.pool_id


@begin.undo
def give_up(run: Run[CopySnapshot]) -> None:
    run.add(run.world.allocator.release_space(run.key), run.key)
    run.change(_volume(run), VolumeRemoved())


@copy_snapshot.step(timeout_s=7200)
async def copy(run: Run[CopySnapshot]) -> str:
    pool_id = run[begin]
    source = source_pool(run, _volume(run))
    session, pool, _ = await between(run, pool_id, source.id if source else pool_id)
    return (await make_disk(run, session, pool, _volume(run), key=run.key)).path


@copy.undo
async def remove(run: Run[CopySnapshot]) -> None:
    session, pool = await run.world.hosts.with_pool(run[begin])
    await session.remove_disk(pool, run.intent.create.volume_id, key=run.key)


@copy_snapshot.step(no_undo="the last step: nothing after it can fail")
def made(run: Run[CopySnapshot]) -> None:
    volume = _volume(run)
    ready = VolumeReady(
        pool_id=run[begin],
        path=run[copy],
        size_bytes=volume.size_bytes,
        hold=run.key_of(begin),
    )
    run.change(volume, ready)
