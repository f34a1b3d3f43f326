"""Examples of the sagas of volume."""

from __future__ import annotations

from uuid import UUID

from engine.intents.snapshot import CreateSnapshot
from engine.intents.volume import (
    AttachVolume,
    CopySnapshot,
    CreateVolume,
    DeleteVolume,
    DetachVolume,
    MigrateVolume,
    ResizeVolume,
)
from tests.sagas.rig import Rig
from tests.sagas.seed import (
    ACCOUNT,
    DOMAIN,
    GIB,
    ZONE,
    attached_volume,
    loose_volume,
    named,
    running,
    second_pool,
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


async def _copy(rig: Rig) -> object:
    volume_id = await attached_volume(rig)
    await rig.run(_snapshot(volume_id))
    return CopySnapshot(create=_create(named("from snapshot"), named("snapshot")))


def _snapshot(volume_id: UUID) -> CreateSnapshot:
    return CreateSnapshot(snapshot_id=named("snapshot"), volume_id=volume_id, name="kept")


def _create(volume_id: UUID, snapshot_id: UUID | None = None) -> CreateVolume:
    return CreateVolume(
        volume_id=volume_id, account_id=ACCOUNT, domain_id=DOMAIN, zone_id=ZONE, name="made",
        size_bytes=2 * GIB, snapshot_id=snapshot_id,
    )  # fmt: skip


async def _migrate_live(rig: Rig) -> object:
    volume_id = await attached_volume(rig)
    await second_pool(rig)
    return MigrateVolume(volume_id=volume_id, pool_id=named("second pool"), live=True)


EXAMPLES = {
    "volume.copy:1": _copy,
    "volume.migrate:1": _migrate_live,
    "volume.attach:1": _attach,
    "volume.detach:1": _detach,
    "volume.resize:1": _resize,
    "volume.delete:1": _delete,
}
