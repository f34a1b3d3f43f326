"""One example of each saga: what must be there before, and what is then asked.

A saga without an example fails `test_every_saga_has_an_example`: new sagas are tested by existing.
"""

from __future__ import annotations

import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

from drivers.contract.compute import GuestSpec, HostAddress
from drivers.contract.storage import DiskSpec, PoolSpec
from engine.intents.account import DeleteAccount
from engine.intents.domain import DeleteDomain
from engine.intents.finding import SweepDisk, SweepGuest
from engine.intents.host import AddHost, PrepareHost, ReconnectHost, RemoveHost
from engine.intents.record import CreateRecord
from engine.intents.storage_pool import AddStoragePool
from engine.intents.template import DeleteTemplate, RegisterTemplate
from engine.intents.user import ChangeUser, DeleteUser, RekeyUser
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
from projections.host import hosts
from projections.vm import vms
from tests.sagas.rig import Rig
from tests.sagas.seed import (
    ACCOUNT,
    CLUSTER,
    DOMAIN,
    GIB,
    HOSTS,
    POD,
    POOL,
    ROLE,
    ZONE,
    attached_volume,
    deploy,
    loose_volume,
    named,
    running,
)

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


async def _add_host(rig: Rig) -> object:
    return AddHost(
        id=named("host 4"),
        name="host4",
        url="sim://host4",
        hypervisor="Simulator",
        zone_id=ZONE,
        pod_id=POD,
        cluster_id=CLUSTER,
    )


async def _remove_host(rig: Rig) -> object:
    """With a guest on it, which is stopped."""
    host_id = rig.cloud[vms][await running(rig)].host_id
    assert host_id is not None
    return RemoveHost(id=host_id, forced=True)


async def _reconnect_host(rig: Rig) -> object:
    return ReconnectHost(id=HOSTS[0])


async def _maintain_host(rig: Rig) -> object:
    host_id = rig.cloud[vms][await running(rig)].host_id
    assert host_id is not None
    return PrepareHost(id=host_id)


async def _add_pool(rig: Rig) -> object:
    where = {"zone_id": ZONE, "pod_id": POD, "cluster_id": CLUSTER}
    return AddStoragePool(
        id=named("pool 2"), name="p2", url="sim://pool2", scope="CLUSTER", **where
    )


def _image(home: Path) -> str:
    """A small image of the right kind, as a URL."""
    path = home / "image.qcow2"
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", str(path), "1M"]
    subprocess.run(argv, check=True, timeout=20)
    return f"file://{path}"


async def _register_template(rig: Rig) -> object:
    return RegisterTemplate(
        template_id=named("template 2"),
        account_id=ACCOUNT,
        domain_id=DOMAIN,
        name="t2",
        display_text="t2",
        url=_image(rig.home),
        hypervisor="KVM",
        image_format="QCOW2",
        trusted=True,
    )


async def _delete_template(rig: Rig) -> object:
    await rig.run(await _register_template(rig))
    return DeleteTemplate(template_id=named("template 2"))


async def _sweep_guest(rig: Rig) -> object:
    """A guest that was stopped, and that its host came back with."""
    vm_id = await running(rig)
    host_id = rig.cloud[vms][vm_id].host_id
    assert host_id is not None
    spec = rig.sim.world.residue().guests[0]
    await rig.run(StopVm(vm_id=vm_id))
    session = await rig.sim.connect(HostAddress(url=rig.cloud[hosts][host_id].url))
    again = GuestSpec(
        guest_id=vm_id, name=spec.name, cpu_count=1, cpu_mhz=500, memory_mib=512, disks=()
    )
    await session.start_guest(again, key=named("late"))
    return SweepGuest(finding_id=named("finding"), host_id=host_id, vm_id=vm_id, text="late")


async def _sweep_disk(rig: Rig) -> object:
    """A disk that came late: its volume was deleted before."""
    volume_id = await attached_volume(rig)
    await rig.run(DetachVolume(volume_id=volume_id))
    await rig.run(DeleteVolume(volume_id=volume_id))
    session = await rig.sim.connect(HostAddress(url="sim://host1"))
    disk = DiskSpec(volume_id=volume_id, size_bytes=GIB)
    await session.create_disk(PoolSpec(pool_id=POOL, url="sim://pool"), disk, key=named("late"))
    return SweepDisk(finding_id=named("finding"), pool_id=POOL, volume_id=volume_id, text="late")


async def _tenant(rig: Rig) -> None:
    """A domain below the root with an account, a user and its key, each with a sealed secret."""
    where = {"domain_id": named("below")}

    async def make(kind: str, name: str, **fields: object) -> None:
        ask = CreateRecord(kind=kind, id=named(f"tenant {kind}"), fields={"name": name, **fields})
        await rig.engine.decide(ask, rig.by)

    domain = {"name": "below", "path": "/below", "level": 1, "parent_id": DOMAIN}
    below = CreateRecord(kind="domain", id=named("below"), fields=domain)
    await rig.engine.decide(below, rig.by)
    await make("account", "tenant", role_id=ROLE, role_type="Admin", **where)
    secret = str(await rig.vault.put("secret"))
    password = str(await rig.vault.put("password"))
    mine = {"account_id": named("tenant account"), "password_ref": password, **where}
    await make("user", "someone", **mine)
    key = {"key": "k", "user_id": named("tenant user"), "secret_ref": secret}
    await make("api_key", "someone", **key)


async def _change_user(rig: Rig) -> object:
    await _tenant(rig)
    other = str(await rig.vault.put("other"))
    return ChangeUser(user_id=named("tenant user"), fields={"password_ref": other})


async def _rekey_user(rig: Rig) -> object:
    await _tenant(rig)
    ref = str(await rig.vault.put("another"))
    return RekeyUser(user_id=named("tenant user"), key_id=named("new"), key="n", secret_ref=ref)


async def _delete_user(rig: Rig) -> object:
    await _tenant(rig)
    return DeleteUser(user_id=named("tenant user"))


async def _delete_account(rig: Rig) -> object:
    await _tenant(rig)
    return DeleteAccount(account_id=named("tenant account"))


async def _delete_domain(rig: Rig) -> object:
    await _tenant(rig)
    return DeleteDomain(domain_id=named("below"), cleanup=True)


EXAMPLES: dict[str, Example] = {
    "user.change:1": _change_user,
    "user.rekey:1": _rekey_user,
    "user.delete:1": _delete_user,
    "account.delete:1": _delete_account,
    "domain.delete:1": _delete_domain,
    "host.add:1": _add_host,
    "host.remove:1": _remove_host,
    "host.reconnect:1": _reconnect_host,
    "host.maintain:1": _maintain_host,
    "storage_pool.add:1": _add_pool,
    "template.register:1": _register_template,
    "template.delete:1": _delete_template,
    "sweep.guest:1": _sweep_guest,
    "sweep.disk:1": _sweep_disk,
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
