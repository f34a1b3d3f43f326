"""One example of each saga: what must be there before, and what is then asked.

A saga without an example fails `test_every_saga_has_an_example`: new sagas are tested by existing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from engine.intents.vm import (
    CreateVm,
    DestroyVm,
    ExpungeVm,
    MigrateVm,
    RebootVm,
    StartVm,
    StopVm,
)
from engine.intents.volume import AttachVolume, DeleteVolume, DetachVolume, ResizeVolume
from tests.sagas.rig import Rig
from tests.sagas.seed import GIB, attached_volume, deploy, loose_volume, running

Example = Callable[[Rig], Awaitable[object]]


async def _deploy(rig: Rig) -> object:
    return deploy()


async def _create(rig: Rig) -> object:
    return CreateVm(deploy=deploy())


async def _start(rig: Rig) -> object:
    vm_id = await running(rig)
    await rig.run(StopVm(vm_id=vm_id))
    return StartVm(vm_id=vm_id)


async def _stop(rig: Rig) -> object:
    return StopVm(vm_id=await running(rig))


async def _reboot(rig: Rig) -> object:
    return RebootVm(vm_id=await running(rig))


async def _destroy(rig: Rig) -> object:
    return DestroyVm(vm_id=await running(rig))


async def _expunge(rig: Rig) -> object:
    return ExpungeVm(vm_id=await running(rig))


async def _migrate(rig: Rig) -> object:
    return MigrateVm(vm_id=await running(rig))


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


EXAMPLES: dict[str, Example] = {
    "vm.deploy:1": _deploy,
    "vm.create:1": _create,
    "vm.start:1": _start,
    "vm.stop:1": _stop,
    "vm.reboot:1": _reboot,
    "vm.destroy:1": _destroy,
    "vm.expunge:1": _expunge,
    "vm.migrate:1": _migrate,
    "volume.attach:1": _attach,
    "volume.detach:1": _detach,
    "volume.resize:1": _resize,
    "volume.delete:1": _delete,
}
