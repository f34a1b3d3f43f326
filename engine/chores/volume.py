"""Destroyed volumes are expunged once their owner has had time to think again."""

from __future__ import annotations

from uuid import uuid5

from msgspec.structs import replace

from aggregates.errors import DomainError
from aggregates.volume import VolumeState
from engine.chores.chore import BY, chore
from engine.engine import Engine
from engine.intents.volume import DeleteVolume
from projections.setting import is_on, number_of
from projections.volume import volumes


@chore(setting="storage.cleanup.interval")
async def expunge_destroyed_volumes(engine: Engine, now_ms: int) -> None:
    if not is_on(engine.cloud, "storage.cleanup.enabled"):
        return
    for volume in list(engine.cloud[volumes].by("state", VolumeState.DESTROY)):
        if volume.state is not VolumeState.DESTROY or volume.job_id is not None:
            continue  # it was recovered while others were expunged, say
        delay_s = number_of(engine.cloud, "expunge.delay", volume.zone_id)
        if now_ms < volume.destroyed_at_ms + delay_s * 1000:
            continue
        by = replace(BY, account_id=volume.account_id, action="VOLUME.EXPUNGE")
        run_id = uuid5(volume.id, f"expunge/{volume.version}")
        try:
            await engine.submit(DeleteVolume(volume_id=volume.id), by, run_id=run_id)
        except DomainError:
            continue  # Recovered, or taken by another job, at this very moment.
