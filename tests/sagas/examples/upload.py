"""Examples of the sagas of upload, and of volumes that come from outside."""

from __future__ import annotations

from pathlib import Path

from engine.image_places import on_disk
from engine.images import partial_of
from engine.intents.iso import RegisterIso
from engine.intents.upload import AwaitUpload, GiveUpUpload, TakeUpload
from engine.intents.volume import AttachVolume
from engine.intents.volume_upload import DropUploadedImage, UploadVolume
from projections.upload import uploads
from tests.sagas.examples.iso import ISO, disc
from tests.sagas.rig import Rig
from tests.sagas.seed import ACCOUNT, DOMAIN, ZONE, named, running

UPLOAD, VOLUME = named("upload"), named("uploaded volume")


async def _awaited(rig: Rig) -> Path:
    """An ISO is awaited; answers with where its file is to be received."""
    iso = RegisterIso(
        template_id=ISO,
        account_id=ACCOUNT,
        domain_id=DOMAIN,
        name="disc",
        display_text="disc",
        url="",
        hypervisor="None",
        image_format="ISO",
        trusted=False,
        zone_ids=[ZONE],
    )
    ask = AwaitUpload(
        upload_id=UPLOAD,
        signature_sha256="",
        expires_at_ms=2_000_000_000_000,
        bytes_max=1 << 20,
        ask=iso,
    )
    await rig.engine.decide(ask, rig.by)
    return partial_of(on_disk(rig.home, rig.cloud[uploads][UPLOAD].path))


async def _take(rig: Rig) -> object:
    partial = await _awaited(rig)
    partial.parent.mkdir(parents=True, exist_ok=True)
    partial.write_bytes(disc())
    return TakeUpload(upload_id=UPLOAD)


async def _give_up(rig: Rig) -> object:
    await _awaited(rig)
    return GiveUpUpload(upload_id=UPLOAD, why="nobody sent it")


async def _volume(rig: Rig) -> UploadVolume:
    path = rig.home / "disk.raw"
    path.write_bytes(b"\x01" + b"\0" * (1 << 16) + b"\0" * 511)
    return UploadVolume(
        volume_id=VOLUME,
        account_id=ACCOUNT,
        domain_id=DOMAIN,
        zone_id=ZONE,
        name="from outside",
        image_format="RAW",
        url=path.as_uri(),
        trusted=True,
    )


async def _drop(rig: Rig) -> object:
    await rig.run(await _volume(rig))
    await rig.run(AttachVolume(volume_id=VOLUME, vm_id=await running(rig)))
    return DropUploadedImage(volume_id=VOLUME)


EXAMPLES = {
    "upload.take:1": _take,
    "upload.give_up:1": _give_up,
    "volume.upload:1": _volume,
    "volume.drop_image:1": _drop,
}
