"""Delete a snapshot: its file, its room, its record. Forward only."""

from __future__ import annotations

from aggregates.errors import InUse
from aggregates.snapshot import Snapshot, SnapshotRemoved, SnapshotState
from engine.intents.snapshot import DeleteSnapshot
from engine.saga import Run, Saga
from projections.snapshot import snapshots
from projections.volume import volumes

delete_snapshot = Saga(
    "snapshot.delete:1",
    DeleteSnapshot,
    subject="snapshot",
    subject_id=lambda ask: ask.snapshot_id,
    forward_only=True,
)


@delete_snapshot.step
def begin(run: Run[DeleteSnapshot]) -> None:
    snapshot = run.row(snapshots, run.intent.snapshot_id)
    _unread(run, snapshot)
    run.change(snapshot, snapshot.begin(SnapshotState.DESTROYING, run.id))


def _unread(run: Run[DeleteSnapshot], snapshot: Snapshot) -> None:
    """It stays while a volume is still to be made of it."""
    for volume in run.cloud[volumes].by("snapshot_id", snapshot.id):
        if volume.pool_id is None:
            raise InUse(
                f"snapshot {snapshot.name} is what volume {volume.name} is to be made of: wait "
                "until it is made, or delete it first"
            )


@delete_snapshot.step(timeout_s=600)
async def remove_file(run: Run[DeleteSnapshot]) -> None:
    snapshot = run.row(snapshots, run.intent.snapshot_id)
    session, pool = await run.world.hosts.with_pool(snapshot.pool_id)
    await session.remove_snapshot(pool, snapshot.id, key=run.key)


@delete_snapshot.step
def forget(run: Run[DeleteSnapshot]) -> None:
    snapshot = run.row(snapshots, run.intent.snapshot_id)
    run.add(run.world.allocator.release_space(snapshot.hold), snapshot.hold)
    run.change(snapshot, SnapshotRemoved())
