"""Examples of the sagas of vm_snapshot."""

from __future__ import annotations

from engine.intents.vm_snapshot import CreateVmSnapshot, DeleteVmSnapshot, RevertToVmSnapshot
from tests.sagas.rig import Rig
from tests.sagas.seed import named, running


def _ask(rig: Rig, name: str) -> CreateVmSnapshot:
    return CreateVmSnapshot(
        snapshot_id=named(f"vm snapshot {name}"), vm_id=named("vm web"), name=name,
        display_name=name, with_memory=True,
    )  # fmt: skip


async def _create(rig: Rig) -> object:
    await running(rig)
    await rig.run(_ask(rig, "first"))
    return _ask(rig, "second")


async def _delete(rig: Rig) -> object:
    await rig.run(await _create(rig))
    return DeleteVmSnapshot(snapshot_id=named("vm snapshot first"))


async def _revert(rig: Rig) -> object:
    await rig.run(await _create(rig))
    return RevertToVmSnapshot(vm_id=named("vm web"), snapshot_id=named("vm snapshot first"))


EXAMPLES = {
    "vm_snapshot.create:1": _create,
    "vm_snapshot.delete:1": _delete,
    "vm_snapshot.revert:1": _revert,
}
