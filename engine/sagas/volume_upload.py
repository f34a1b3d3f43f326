"""A volume from outside: its image is fetched, looked at, and kept until a guest gets it.

When no image can be had, the volume stays, marked with why, until its owner deletes it.
"""

from __future__ import annotations

from aggregates.errors import Invalid, NotAllowed
from aggregates.volume import VolumeCreated, VolumeState
from aggregates.volume_upload import (
    VolumeUploadBegun,
    VolumeUploadDropped,
    VolumeUploaded,
    VolumeUploadFailed,
)
from engine.decisions.volume import guard_place
from engine.image_fetch import Source, check_url, fetch, networks
from engine.image_places import on_disk, place_for
from engine.images import Image, checksum, exists, look, partial_of, remove, settle
from engine.intents.volume_upload import DropUploadedImage, UploadVolume
from engine.saga import Run, Saga
from projections.saga import saga_runs
from projections.volume import volumes

FETCH_S = 24 * 3600.0
# What a hypervisor's host can make a disk of.
FORMATS = ("QCOW2", "RAW")

upload_volume = Saga("volume.upload:1", UploadVolume, "volume", lambda ask: ask.volume_id)


def created(ask: UploadVolume) -> VolumeCreated:
    """The volume as it begins. Its size is what its image says, once that is here."""
    if ask.image_format not in FORMATS:
        raise Invalid(
            f"{ask.image_format} is no format of a volume here: convert it to QCOW2 or RAW first",
            field="format",
        )
    checksum(ask.checksum)
    return VolumeCreated(
        name=ask.name,
        account_id=ask.account_id,
        domain_id=ask.domain_id,
        zone_id=ask.zone_id,
        kind="DATADISK",
        size_bytes=0,
        offering_id=ask.offering_id,
        template_id=None,
        vm_id=None,
        device=None,
        is_displayed=True,
    )


@upload_volume.step
def begin(run: Run[UploadVolume]) -> str:
    """Answers with where the image shall lie."""
    ask = run.intent
    check_url(Source(ask.url, ask.trusted))
    networks(ask.sites)
    guard_place(run, ask.zone_id, ask.offering_id)
    run.create(ask.volume_id, created(ask))
    path = place_for(run.cloud, run.world.home, ask.volume_id, ask.image_format, ask.zone_id)
    begun = VolumeUploadBegun(
        state=VolumeState.UPLOADING,
        path=path,
        image_format=ask.image_format.lower(),
        url=ask.url,
        job_id=run.id,
    )
    run.change(run.row(volumes, ask.volume_id), begun)
    return path


@begin.undo
def say_why(run: Run[UploadVolume]) -> None:
    volume = run.cloud[volumes].get(run.intent.volume_id)
    if volume is not None:
        run.change(volume, VolumeUploadFailed(why=run.cloud[saga_runs][run.id].error_text))


@upload_volume.step(timeout_s=FETCH_S)
async def obtain(run: Run[UploadVolume]) -> Image:
    ask, place = run.intent, on_disk(run.world.home, run[begin])
    if not await exists(place):
        partial = partial_of(place)
        source = Source(ask.url, ask.trusted, tuple(ask.sites), ask.bytes_max)
        await fetch(source, partial, run.progress)
        await look(partial, ask.image_format, ask.checksum)
        await settle(partial, place)
    return await look(place, ask.image_format, ask.checksum)


@obtain.undo
async def discard(run: Run[UploadVolume]) -> None:
    await remove(on_disk(run.world.home, run[begin]))


@upload_volume.step(no_undo="nothing comes after it")
def record(run: Run[UploadVolume]) -> None:
    volume, made = run.row(volumes, run.intent.volume_id), run[obtain]
    run.change(volume, VolumeUploaded(size_bytes=made.size_bytes, format=made.real_format))


drop_image = Saga(
    "volume.drop_image:1",
    DropUploadedImage,
    "volume",
    lambda ask: ask.volume_id,
    forward_only=True,
)


@drop_image.step
def still_there(run: Run[DropUploadedImage]) -> str:
    """Answers with the file; from here on nothing is made of it."""
    volume = run.row(volumes, run.intent.volume_id)
    volume.free()
    if volume.pool_id is None:
        raise NotAllowed(f"volume {volume.name} is on no pool yet: its image is all there is of it")
    path = volume.upload_path
    run.change(volume, VolumeUploadDropped())
    return path


@drop_image.step
async def remove_image(run: Run[DropUploadedImage]) -> None:
    if run[still_there]:
        await remove(on_disk(run.world.home, run[still_there]))
