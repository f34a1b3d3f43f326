"""Examples of the sagas of download_link: the file of a volume is made for the link."""

from __future__ import annotations

from uuid import UUID

from engine.intents.download_link import CloseDownload, OpenDownload
from engine.intents.snapshot import CreateSnapshot
from engine.intents.volume import DetachVolume
from tests.sagas.rig import Rig
from tests.sagas.seed import ACCOUNT, DOMAIN, ZONE, attached_volume, named

LINK = named("link")


async def _open(rig: Rig) -> OpenDownload:
    volume_id = await attached_volume(rig)
    await rig.run(DetachVolume(volume_id=volume_id))
    return await _link_to(rig, "volume", volume_id)


async def _link_to(rig: Rig, kind: str, thing_id: UUID) -> OpenDownload:
    return OpenDownload(
        link_id=LINK,
        kind=kind,
        thing_id=thing_id,
        account_id=ACCOUNT,
        domain_id=DOMAIN,
        token_ref=str(await rig.vault.put("token", key=named("token"))),
        expires_at_ms=2_000_000_000_000,
        zone_id=ZONE,
    )


async def _open_snapshot(rig: Rig) -> OpenDownload:
    volume_id, kept = await attached_volume(rig), named("kept")
    await rig.run(CreateSnapshot(snapshot_id=kept, volume_id=volume_id, name="kept"))
    return await _link_to(rig, "snapshot", kept)


async def _close(rig: Rig) -> object:
    await rig.run(await _open(rig))
    return CloseDownload(link_id=LINK)


EXAMPLES = {
    "download_link.open:1": _open,
    "download_link.open:1 of a snapshot": _open_snapshot,
    "download_link.close:1": _close,
}
