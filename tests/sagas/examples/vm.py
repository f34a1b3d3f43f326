"""Examples of the sagas of vm."""

from __future__ import annotations

from msgspec.structs import replace

from aggregates.affinity_group import APART
from engine.intents.record import CreateRecord
from engine.intents.snapshot import CreateSnapshot
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
from engine.intents.volume import DetachVolume
from tests.sagas.examples import iso
from tests.sagas.rig import Rig
from tests.sagas.seed import (
    ACCOUNT,
    DOMAIN,
    GIB,
    attached_volume,
    deploy,
    named,
    running,
    second_pool,
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


async def _deploy_of_snapshot(rig: Rig) -> object:
    """Two pools could serve; the disk is made where the snapshot can be read."""
    await running(rig)
    kept = named("kept root")
    await rig.run(CreateSnapshot(snapshot_id=kept, volume_id=named("root web"), name="kept"))
    await second_pool(rig)
    ask = deploy("again")
    root, *more = ask.disks
    return replace(ask, template_id=None, disks=[replace(root, snapshot_id=kept), *more])


async def _deploy_of_volume(rig: Rig) -> object:
    """The disk of a guest that is gone boots another."""
    volume_id = await attached_volume(rig)
    await rig.run(DetachVolume(volume_id=volume_id))
    ask = deploy("again")
    root, *more = ask.disks
    there = replace(root, volume_id=volume_id, size_bytes=GIB, is_there=True)
    return replace(ask, template_id=None, disks=[there, *more])


async def _deploy_of_iso(rig: Rig) -> object:
    await rig.run(await iso.register(rig))
    ask = deploy("again")
    root, *more = ask.disks
    blank = replace(root, is_blank=True)
    return replace(ask, template_id=iso.ISO, iso_id=iso.ISO, disks=[blank, *more])


async def _deploy_apart(rig: Rig) -> object:
    """A strict group has a member that runs: the new one goes to another host."""
    group_id = named("apart")
    fields = {"name": "apart", "kind": APART, "account_id": ACCOUNT, "domain_id": DOMAIN}
    await rig.engine.decide(CreateRecord(kind="affinity_group", id=group_id, fields=fields), rig.by)
    apart = (group_id,)
    await rig.run(replace(deploy("first"), affinity_group_ids=apart))
    return replace(deploy(), affinity_group_ids=apart)


EXAMPLES = {
    "vm.deploy:1 of a snapshot": _deploy_of_snapshot,
    "vm.deploy:1 of a volume": _deploy_of_volume,
    "vm.deploy:1 of an ISO": _deploy_of_iso,
    "vm.deploy:1 apart from another": _deploy_apart,
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
