"""Examples of the sagas of snapshot."""

from __future__ import annotations

from engine.intents.snapshot import CreateSnapshot, DeleteSnapshot, RevertSnapshot
from engine.intents.vm import StopVm
from projections.volume import volumes
from tests.sagas.rig import Rig
from tests.sagas.seed import attached_volume, named


def _ask(volume_id: object) -> CreateSnapshot:
    return CreateSnapshot(
        snapshot_id=named("snapshot"), volume_id=volume_id, name="kept", tags={"a": "b"}
    )  # type: ignore[arg-type]


async def _create(rig: Rig) -> object:
    return _ask(await attached_volume(rig))


async def _delete(rig: Rig) -> object:
    await rig.run(_ask(await attached_volume(rig)))
    return DeleteSnapshot(snapshot_id=named("snapshot"))


async def _revert(rig: Rig) -> object:
    volume_id = await attached_volume(rig)
    await rig.run(_ask(volume_id))
    vm_id = rig.cloud[volumes][volume_id].vm_id
    assert vm_id is not None
    await rig.run(StopVm(vm_id=vm_id))
    return RevertSnapshot(snapshot_id=named("snapshot"))


EXAMPLES = {
    "snapshot.create:1": _create,
    "snapshot.delete:1": _delete,
    "snapshot.revert:1": _revert,
}
