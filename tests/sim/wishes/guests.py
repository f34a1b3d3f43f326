"""Guests: their life, size, cards, discs, groups and snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from aggregates.affinity_group import KINDS
from aggregates.vm import VmState
from benchmarks.cloud import GIB, OFFERING, deploy
from engine.intents.affinity_group import RemoveAffinityGroup, SetAffinity
from engine.intents.instance_group import EnsureInstanceGroup, RemoveInstanceGroup
from engine.intents.iso import AttachIso, DetachIso
from engine.intents.nic import AddNic, AddNicIp, ChangeNicIp, RemoveNic, RemoveNicIp, SetDefaultNic
from engine.intents.record import CreateRecord
from engine.intents.vm import (
    CreateVm,
    DestroyVm,
    ExpungeVm,
    GroupVm,
    LeaseVm,
    MigrateVm,
    NicAsk,
    RebootVm,
    RecoverVm,
    ResetPassword,
    SetKeys,
    StartVm,
    StopVm,
    UpdateVm,
)
from engine.intents.vm_life import (
    AssignVm,
    MigrateVmWithVolumes,
    MoveVmDisks,
    ResizeStoppedVm,
    RestoreVm,
    ScaleVm,
)
from engine.intents.vm_snapshot import CreateVmSnapshot, DeleteVmSnapshot, RevertToVmSnapshot
from projections.affinity_group import affinity_groups
from projections.host import hosts
from projections.instance_group import instance_groups
from projections.iso import isos
from projections.network import networks
from projections.storage_pool import storage_pools
from projections.vm import vms
from projections.vm_snapshot import vm_snapshots
from projections.volume import volumes
from tests.sim.place import MEDIUM
from tests.sim.wishes import wish
from tests.sim.wishes.images import template

if TYPE_CHECKING:
    from tests.sim.tenants import Tenants

VMS_MAX = 40
GROUPS_MAX = 8
THERE = (VmState.RUNNING, VmState.STOPPED)


@wish(10, always=True)
def deploy_vm(who: Tenants) -> Any:
    """For who owns the network, now and then into one of its affinity groups."""
    network = who.one(networks)
    if network is None or len(who.cloud[vms]) >= VMS_MAX:
        return None
    two = who.rarely(0.3)
    ask = deploy(who.name("vm"), network_id=network.id, data_disk=two)
    image = template(who, network)
    root = replace(ask.disks[0], size_bytes=max(GIB, image.size_bytes))
    ask = replace(ask, template_id=image.id, disks=[root, *ask.disks[1:]])
    mine = [one.id for one in who.cloud[affinity_groups].by("account_id", network.account_id)]
    groups = (who.pick(*mine),) if mine and who.rarely(0.5) else ()
    owner = {"account_id": network.account_id, "domain_id": network.domain_id}
    where = {"zone_id": network.zone_id, **owner}
    return replace(ask, affinity_group_ids=groups, is_scalable=True, **where)


@wish(2)
def create_vm(who: Tenants) -> object | None:
    ask = deploy_vm(who)
    return ask and CreateVm(deploy=ask)


@wish(8, always=True)
def start_vm(who: Tenants) -> object | None:
    vm = who.vm(VmState.STOPPED)
    return vm and StartVm(vm_id=vm.id)


@wish(5, always=True)
def stop_vm(who: Tenants) -> object | None:
    vm = who.vm(VmState.RUNNING)
    return vm and StopVm(vm_id=vm.id, forced=who.rarely(0.5))


@wish(2)
def reboot_vm(who: Tenants) -> object | None:
    vm = who.vm(VmState.RUNNING)
    return vm and RebootVm(vm_id=vm.id)


@wish(2)
def destroy_vm(who: Tenants) -> object | None:
    vm = who.vm(*THERE)
    if vm is None or who.rarely(0.7):
        return vm and DestroyVm(vm_id=vm.id)
    data = [v.id for v in who.cloud[volumes].by("vm_id", vm.id) if v.kind != "ROOT"]
    return DestroyVm(vm_id=vm.id, volume_ids=data)


@wish(4, always=True)
def expunge_vm(who: Tenants) -> object | None:
    vm = who.vm(*THERE, VmState.DESTROYED)
    return vm and ExpungeVm(vm_id=vm.id)


@wish(2)
def recover_vm(who: Tenants) -> object | None:
    vm = who.vm(VmState.DESTROYED)
    return vm and RecoverVm(vm_id=vm.id)


@wish(5)
def migrate_vm(who: Tenants) -> object | None:
    vm = who.vm(VmState.RUNNING)
    host = who.one(hosts) if who.rarely(0.5) else None
    return vm and MigrateVm(vm_id=vm.id, host_id=host.id if host else None)


@wish(3)
def migrate_vm_with_volumes(who: Tenants) -> object | None:
    vm, pool = who.vm(VmState.RUNNING), who.one(storage_pools)
    if vm is None or pool is None:
        return None
    disks = [one for one in who.cloud[volumes].by("vm_id", vm.id) if who.rarely(0.7)]
    return MigrateVmWithVolumes(vm_id=vm.id, pools={one.id: pool.id for one in disks})


@wish(1)
def move_vm_disks(who: Tenants) -> object | None:
    vm, pool = who.vm(VmState.STOPPED), who.one(storage_pools)
    return vm and pool and MoveVmDisks(vm_id=vm.id, pool_id=pool.id)


@wish(4)
def scale_vm(who: Tenants) -> object | None:
    """Alive it grows; a stopped one is given either size by a decision or by a job."""
    vm = who.vm(*THERE)
    if vm is None:
        return None
    big = vm.state is VmState.RUNNING or who.rarely(0.5)
    cores, mhz, mib = (1, 1000, 1024) if big else (1, 500, 512)
    ask = ScaleVm(
        vm_id=vm.id, service_offering_id=MEDIUM if big else OFFERING, cpu_count=cores,
        cpu_mhz=mhz, memory_mib=mib,
    )  # fmt: skip
    return ResizeStoppedVm(scale=ask) if who.rarely(0.3) else ask


@wish(3)
def restore_vm(who: Tenants) -> object | None:
    vm = who.vm(*THERE)
    image = vm and template(who, vm)
    return vm and RestoreVm(
        vm_id=vm.id, volume_id=who.new_id(), template_id=image.id,
        size_bytes=max(who.pick(1, 2) * GIB, image.size_bytes),
    )  # fmt: skip


@wish(2)
def reset_password(who: Tenants) -> object | None:
    """Now and then with other SSH keys."""
    vm = who.vm(VmState.STOPPED)
    if vm is None:
        return None
    keys = SetKeys(vm_id=vm.id, key_pairs=["laptop"], public_keys=("ssh-ed25519 AAAA",))
    return ResetPassword(vm_id=vm.id, keys=keys if who.rarely(0.5) else None)


@wish(3)
def assign_vm(who: Tenants) -> object | None:
    vm = who.vm(VmState.STOPPED)
    network = vm and who.one(networks, lambda one: one.account_id != vm.account_id)
    if vm is None or network is None or network.zone_id != vm.zone_id:
        return None
    card = NicAsk(nic_id=who.new_id(), network_id=network.id)
    owner = {"account_id": network.account_id, "domain_id": network.domain_id}
    return AssignVm(vm_id=vm.id, nics=[card], **owner)


@wish(1)
def lease_vm(who: Tenants) -> object | None:
    vm = who.vm(*THERE)
    return vm and LeaseVm(
        vm_id=vm.id, ends_at_ms=who.now_ms() + 20_000, action=who.pick("STOP", "DESTROY")
    )


# ---- cards -----------------------------------------------------------------------------------


@wish(8)
def add_nic(who: Tenants) -> object | None:
    vm = who.vm(*THERE)
    on = {nic.network_id for nic in vm.nics} if vm is not None else set()
    network = vm and who.near(networks, vm, lambda one: one.id not in on)
    card = network and NicAsk(nic_id=who.new_id(), network_id=network.id)
    return card and AddNic(vm_id=vm.id, nic=card)


def _card(who: Tenants) -> tuple[Any, Any] | None:
    """A card of an idle guest, and more often than not one beside the default one."""
    vm = who.one(vms, lambda one: one.job_id is None and len(one.nics) > 1) or who.vm(*THERE)
    if vm is None or not vm.nics:
        return None
    return vm, vm.nics[-1] if who.rarely(0.7) else who.pick(*vm.nics)


@wish(3)
def remove_nic(who: Tenants) -> object | None:
    found = _card(who)
    return found and RemoveNic(vm_id=found[0].id, nic_id=found[1].id)


@wish(2)
def set_default_nic(who: Tenants) -> object | None:
    found = _card(who)
    return found and SetDefaultNic(vm_id=found[0].id, nic_id=found[1].id)


@wish(3)
def add_nic_ip(who: Tenants) -> object | None:
    found = _card(who)
    return found and AddNicIp(vm_id=found[0].id, nic_id=found[1].id, ip_id=who.new_id())


@wish(2)
def remove_nic_ip(who: Tenants) -> object | None:
    every = [(vm, nic, more) for vm in who.cloud[vms] for nic in vm.nics for more in nic.more_ips]
    if not every:
        return None
    vm, nic, more = who.pick(*every)
    return RemoveNicIp(vm_id=vm.id, nic_id=nic.id, ip_id=more.id)


@wish(1)
def change_nic_ip(who: Tenants) -> object | None:
    found = _card(who)
    return found and ChangeNicIp(vm_id=found[0].id, nic_id=found[1].id, ip_id=who.new_id())


# ---- discs, groups, snapshots ----------------------------------------------------------------


@wish(2)
def attach_iso(who: Tenants) -> object | None:
    vm, iso = who.vm(*THERE), who.one(isos)
    return vm and iso and AttachIso(vm_id=vm.id, iso_id=iso.id, forced=who.rarely(0.5))


@wish(2)
def detach_iso(who: Tenants) -> object | None:
    vm = who.one(vms, lambda one: one.job_id is None and one.iso_id is not None)
    return vm and DetachIso(vm_id=vm.id)


@wish(1)
def update_vm(who: Tenants) -> object | None:
    vm = who.one(vms)
    return vm and UpdateVm(vm_id=vm.id, display_name=who.name("called"), is_protected=False)


@wish(1)
def ensure_instance_group(who: Tenants) -> object | None:
    return EnsureInstanceGroup(group_id=who.new_id(), name=who.pick("a", "b"), **who.owner())


@wish(1)
def group_vm(who: Tenants) -> object | None:
    vm = who.one(vms)
    group = vm and who.one(instance_groups, of=vm)
    return vm and GroupVm(vm_id=vm.id, group_id=group and group.id)


@wish(1)
def remove_instance_group(who: Tenants) -> object | None:
    group = who.one(instance_groups)
    return group and RemoveInstanceGroup(group_id=group.id)


@wish(2)
def create_affinity_group(who: Tenants) -> object | None:
    if len(who.cloud[affinity_groups]) >= GROUPS_MAX:
        return None
    fields = {"name": who.name("group"), "kind": who.pick(*KINDS), **who.owner()}
    return CreateRecord(kind="affinity_group", id=who.new_id(), fields=fields)


@wish(2)
def set_affinity(who: Tenants) -> object | None:
    vm = who.vm(VmState.STOPPED)
    mine = vm and [one.id for one in who.cloud[affinity_groups].by("account_id", vm.account_id)]
    return SetAffinity(vm_id=vm.id, group_ids=(who.pick(*mine),)) if mine else None


@wish(1)
def remove_affinity_group(who: Tenants) -> object | None:
    group = who.one(affinity_groups)
    return group and RemoveAffinityGroup(group_id=group.id)


@wish(4)
def create_vm_snapshot(who: Tenants) -> object | None:
    vm, name = who.vm(*THERE), who.name("kept")
    return vm and CreateVmSnapshot(
        snapshot_id=who.new_id(), vm_id=vm.id, name=name, display_name=name,
        with_memory=(vm.state is VmState.RUNNING) != who.rarely(0.1),
    )  # fmt: skip


@wish(3)
def revert_to_vm_snapshot(who: Tenants) -> object | None:
    kept = who.one(vm_snapshots)
    return kept and RevertToVmSnapshot(vm_id=kept.vm_id, snapshot_id=kept.id)


@wish(4)
def delete_vm_snapshot(who: Tenants) -> object | None:
    kept = who.one(vm_snapshots)
    return kept and DeleteVmSnapshot(snapshot_id=kept.id)
