"""Files that are sent: awaited, sent whole or broken, given up; and volumes from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.image_places import on_disk
from engine.images import partial_of
from engine.intents.iso import RegisterIso
from engine.intents.upload import AwaitUpload, GiveUpUpload, TakeUpload
from engine.intents.volume import UpdateVolume
from engine.intents.volume_upload import UploadVolume
from projections.iso import isos
from projections.upload import uploads
from projections.volume import volumes
from projections.zone import zones
from tests.sim.images import SENT
from tests.sim.wishes import wish
from tests.sim.wishes.images import IMAGES_MAX
from tests.sim.wishes.storage import CUSTOM, VOLUMES_MAX

if TYPE_CHECKING:
    from tests.sim.tenants import Tenants

UPLOADS_MAX = 4


def _volume(who: Tenants, file: str) -> UploadVolume | None:
    zone = who.one(zones)
    if zone is None or len(who.cloud[volumes]) >= VOLUMES_MAX:
        return None
    return UploadVolume(
        volume_id=who.new_id(), zone_id=zone.id, name=who.name("sent"), image_format="RAW",
        offering_id=CUSTOM, url=f"file://{who.home}/{file}" if file else "",
        trusted=True, **who.owner(),
    )  # fmt: skip


@wish(3)
def upload_volume(who: Tenants) -> object | None:
    return _volume(who, "outside.raw" if who.rarely(0.9) else "missing.raw")


def _disc(who: Tenants) -> RegisterIso | None:
    zone, name = who.one(zones), who.name("disc")
    if zone is None or len(who.cloud[isos]) >= IMAGES_MAX:
        return None
    return RegisterIso(
        template_id=who.new_id(), name=name, display_text=name, url="", hypervisor="None",
        image_format="ISO", trusted=False, zone_ids=[zone.id], **who.owner(),
    )  # fmt: skip


@wish(3)
def await_upload(who: Tenants) -> object | None:
    if len(who.cloud[uploads]) >= UPLOADS_MAX:
        return None
    ask = _volume(who, "") if who.rarely(0.5) else _disc(who)
    return ask and AwaitUpload(
        upload_id=who.new_id(), signature_sha256="", bytes_max=1 << 20, ask=ask,
        expires_at_ms=who.now_ms() + who.pick(5_000, 60_000),
    )  # fmt: skip


@wish(5)
def take_upload(who: Tenants) -> object | None:
    """The file has come, whole or not: it lies where whoever receives it put it."""
    upload = who.one(uploads)
    if upload is None:
        return None
    partial = partial_of(on_disk(who.home, upload.path))
    partial.parent.mkdir(parents=True, exist_ok=True)
    whole = SENT[upload.image_format]
    partial.write_bytes(whole if who.rarely(0.9) else whole[:1000])
    return TakeUpload(upload_id=upload.id)


@wish(1)
def give_up_upload(who: Tenants) -> object | None:
    upload = who.one(uploads)
    return upload and GiveUpUpload(upload_id=upload.id, why="its owner does not want it")


@wish(1)
def update_volume(who: Tenants) -> object | None:
    volume = who.one(volumes)
    return volume and UpdateVolume(volume_id=volume.id, name=who.name("called"))
