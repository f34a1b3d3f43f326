"""Let a volume be what it was when a snapshot of it was taken. Its guest must be stopped."""

from __future__ import annotations

from aggregates.errors import NotAllowed, NotFound
from aggregates.snapshot import Snapshot, SnapshotIdle, SnapshotState
from aggregates.vm import VmState
from aggregates.volume import Volume, VolumeIdle, VolumeState
from engine.abilities import demand_of_disk
from engine.disks import let_guest_go, take_guest
from engine.intents.snapshot import RevertSnapshot
from engine.saga import Run, Saga
from engine.vm_snapshots import refuse_while_kept
from projections.snapshot import snapshots
from projections.vm import vms
from projections.volume import volumes

revert_snapshot = Saga(
    "snapshot.revert:1",
    RevertSnapshot,
    subject="snapshot",
    subject_id=lambda ask: ask.snapshot_id,
)


def _snapshot(run: Run[RevertSnapshot]) -> Snapshot:
    return run.row(snapshots, run.intent.snapshot_id)


def _volume(run: Run[RevertSnapshot]) -> Volume:
    return run.row(volumes, _snapshot(run).volume_id)


@revert_snapshot.step
def begin(run: Run[RevertSnapshot]) -> None:
    snapshot = _snapshot(run)
    if snapshot.volume_id not in run.cloud[volumes]:
        raise NotFound(
            f"the volume of snapshot {snapshot.name} is gone: make a new volume from the snapshot"
        )
    volume = _volume(run)
    if volume.account_id != snapshot.account_id:
        raise NotAllowed(
            f"volume {volume.name} is another account's since snapshot {snapshot.name} was taken: "
            "make a new volume from the snapshot"
        )
    demand_of_disk(run, volume, "revert_disk")
    if volume.pool_id != snapshot.pool_id:
        raise NotAllowed(
            f"volume {volume.name} has moved to another pool since snapshot {snapshot.name} was "
            "taken: move it back, or make a new volume from the snapshot"
        )
    run.change(snapshot, snapshot.begin(SnapshotState.REVERTING, run.id))
    run.change(volume, volume.begin(VolumeState.REVERTING, run.id))
    if volume.vm_id is not None:
        refuse_while_kept(run.cloud, run.row(vms, volume.vm_id), "keeps its volumes as they are")
    take_guest(run, volume, "Reverting", VmState.STOPPED)


@begin.undo
def give_up(run: Run[RevertSnapshot]) -> None:
    _let_go(run)


def _let_go(run: Run[RevertSnapshot]) -> None:
    volume = _volume(run)
    let_guest_go(run, volume)
    run.change(volume, VolumeIdle())
    run.change(_snapshot(run), SnapshotIdle())


@revert_snapshot.step(
    timeout_s=7200, pivot=True, no_undo="what the volume held before is not kept anywhere"
)
async def revert_disk(run: Run[RevertSnapshot]) -> None:
    snapshot = _snapshot(run)
    session, pool = await run.world.hosts.with_pool(snapshot.pool_id)
    await session.revert_disk(pool, snapshot.volume_id, snapshot.id, key=run.key)


@revert_snapshot.step(no_undo="the last step: nothing after it can fail")
def reverted(run: Run[RevertSnapshot]) -> None:
    _let_go(run)
