"""Ends downloads and uploads whose time is over, or whose thing is gone."""

from __future__ import annotations

from engine.chores.chore import attempt, chore
from engine.engine import Engine
from engine.intents.download_link import CloseDownload
from engine.intents.upload import GiveUpUpload
from engine.intents.volume_upload import DropUploadedImage
from projections.download_link import download_links
from projections.upload import uploads
from projections.volume import volumes


@chore(every_s=60)
async def close_old_downloads(engine: Engine, now_ms: int) -> None:
    for link in list(engine.cloud[download_links]):
        gone = link.thing_id not in engine.cloud.table(link.kind)
        if link.path and (gone or link.expires_at_ms <= now_ms):
            await attempt(engine, CloseDownload(link_id=link.id))


@chore(every_s=60)
async def give_up_old_uploads(engine: Engine, now_ms: int) -> None:
    for upload in list(engine.cloud[uploads]):
        if upload.thing_id not in engine.cloud.table(upload.kind):
            why = "what it was for is gone"
        elif upload.expires_at_ms <= now_ms:
            why = "nothing was uploaded in time: ask for another upload"
        else:
            continue
        await attempt(engine, GiveUpUpload(upload_id=upload.id, why=why))


@chore(every_s=60)
async def drop_uploaded_images(engine: Engine, now_ms: int) -> None:
    """A volume that is on a pool by now needs the image no more that it came from."""
    for volume in list(engine.cloud[volumes].having("upload_path", bool)):
        if volume.upload_path and volume.pool_id is not None and volume.job_id is None:
            await attempt(engine, DropUploadedImage(volume_id=volume.id))
