"""Examples of the sagas of vm."""

from __future__ import annotations

from engine.intents.vm import (
    CreateVm,
    DestroyVm,
    ExpungeVm,
    MigrateVm,
    RebootVm,
    ResetPassword,
    StartVm,
    StopVm,
)
from tests.sagas.rig import Rig
from tests.sagas.seed import (
    deploy,
    running,
)


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


async def _reset_password(rig: Rig) -> object:
    vm_id = await running(rig)
    await rig.run(StopVm(vm_id=vm_id))
    return ResetPassword(vm_id=vm_id)


EXAMPLES = {
    "vm.reset_password:1": _reset_password,
    "vm.deploy:1": _deploy,
    "vm.create:1": _create,
    "vm.start:1": _start,
    "vm.stop:1": _stop,
    "vm.reboot:1": _reboot,
    "vm.destroy:1": _destroy,
    "vm.expunge:1": _expunge,
    "vm.migrate:1": _migrate,
}
