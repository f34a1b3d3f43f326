"""Examples of the sagas of volume."""

from __future__ import annotations

from engine.intents.volume import AttachVolume, DeleteVolume, DetachVolume, ResizeVolume
from tests.sagas.rig import Rig
from tests.sagas.seed import (
    GIB,
    attached_volume,
    loose_volume,
    running,
)


async def _attach(rig: Rig) -> object:
    return AttachVolume(volume_id=await loose_volume(rig), vm_id=await running(rig))


async def _detach(rig: Rig) -> object:
    return DetachVolume(volume_id=await attached_volume(rig))


async def _resize(rig: Rig) -> object:
    return ResizeVolume(volume_id=await attached_volume(rig), size_bytes=3 * GIB)


async def _delete(rig: Rig) -> object:
    volume_id = await attached_volume(rig)
    await rig.run(DetachVolume(volume_id=volume_id))
    return DeleteVolume(volume_id=volume_id)


EXAMPLES = {
    "volume.attach:1": _attach,
    "volume.detach:1": _detach,
    "volume.resize:1": _resize,
    "volume.delete:1": _delete,
}
