"""Delete a volume that no guest has: its disk, its room, its record. Forward only."""

from __future__ import annotations

from aggregates.volume import VolumeRemoved, VolumeUpdated
from engine.disks import delete_disk, release_disk
from engine.intents.volume import DeleteVolume
from engine.saga import Run, Saga
from projections.volume import volumes

delete_volume = Saga(
    "volume.delete:1",
    DeleteVolume,
    subject="volume",
    subject_id=lambda ask: ask.volume_id,
    forward_only=True,
)


@delete_volume.step
def begin(run: Run[DeleteVolume]) -> None:
    volume = run.row(volumes, run.intent.volume_id)
    if volume.is_protected and run.intent.with_owner:
        unprotected = VolumeUpdated(name=volume.name, is_displayed=volume.is_displayed)
        run.change(volume, unprotected)
        volume = run.row(volumes, volume.id)
    run.change(volume, volume.expunge(run.id))


@delete_volume.step(timeout_s=600)
async def remove_disk(run: Run[DeleteVolume]) -> None:
    await delete_disk(run, run.row(volumes, run.intent.volume_id))


@delete_volume.step
def forget(run: Run[DeleteVolume]) -> None:
    volume = run.row(volumes, run.intent.volume_id)
    release_disk(run, volume)
    run.change(volume, VolumeRemoved())
