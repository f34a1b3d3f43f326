"""Awaiting an upload: the thing exists at once, and says that it is not uploaded."""

from __future__ import annotations

from aggregates.image import WORDS, Copy, ImageState
from aggregates.record import RECORDS
from aggregates.volume import VolumeState
from aggregates.volume_upload import VolumeUploadBegun
from engine.decide import Desk, decision
from engine.decisions.volume import guard_place
from engine.image_places import images_of, place_for
from engine.images import checksum
from engine.intents.upload import AwaitUpload
from engine.intents.volume_upload import UploadVolume
from engine.sagas.template_register import registered
from engine.sagas.volume_upload import created
from projections.volume import volumes
from projections.zone import zones


@decision
def await_upload(ask: AwaitUpload, desk: Desk) -> None:
    wanted = ask.ask
    if isinstance(wanted, UploadVolume):
        kind, thing_id, zone_id = "volume", wanted.volume_id, wanted.zone_id
    else:
        kind, thing_id, zone_id = wanted.NOUN, wanted.template_id, wanted.zone_ids[0]
    path = place_for(desk.cloud, desk.world.home, thing_id, wanted.image_format, zone_id)
    if isinstance(wanted, UploadVolume):
        guard_place(desk, zone_id, wanted.offering_id)
        desk.create(thing_id, created(wanted))
        begun = VolumeUploadBegun(
            state=VolumeState.AWAITED, path=path, image_format=wanted.image_format.lower(), url=""
        )
        desk.change(desk.row(volumes, thing_id), begun)
    else:
        desk.guard(desk.row(zones, zone_id))
        desk.create(thing_id, registered(wanted, None))
        awaited = Copy(zone_id=zone_id, path=path, state=ImageState.AWAITED)
        image = desk.row(images_of(wanted), thing_id)
        desk.change(image, WORDS[kind].copy_begun(copies=[awaited]))
    fields = {
        "kind": kind,
        "thing_id": thing_id,
        "account_id": wanted.account_id,
        "domain_id": wanted.domain_id,
        "signature_sha256": ask.signature_sha256,
        "expires_at_ms": ask.expires_at_ms,
        "bytes_max": ask.bytes_max,
        "path": path,
        "image_format": wanted.image_format,
        "checksum": str(checksum(wanted.checksum) or ""),
    }
    desk.create(ask.upload_id, RECORDS["upload"].create(fields))
