"""Decisions about virtual machines that touch nothing in the world."""

from __future__ import annotations

from uuid import uuid5

from aggregates.errors import NotAllowed
from aggregates.vm import (
    Vm,
    VmGrouped,
    VmKeysSet,
    VmLeased,
    VmMigrated,
    VmState,
    VmStopped,
    VmUpdated,
    VmUserDataSet,
)
from engine.decide import Desk, decision
from engine.guests import free_capacity, take_room_elsewhere
from engine.intents.vm import (
    GroupVm,
    LeaseVm,
    RecoverVm,
    SetKeys,
    SetUserData,
    UpdateVm,
    VmFound,
    VmFoundElsewhere,
)
from projections.instance_group import instance_groups
from projections.user_data import user_datas
from projections.vm import vms


@decision
def recover(ask: RecoverVm, desk: Desk) -> None:
    vm = desk.row(vms, ask.vm_id)
    desk.change(vm, vm.recover())


@decision
def update(ask: UpdateVm, desk: Desk) -> None:
    vm = desk.row(vms, ask.vm_id)
    names = VmUpdated.__struct_fields__
    said = {name: value for name in names if (value := getattr(ask, name, None)) is not None}
    if ask.instance_name not in (None, vm.instance_name):
        _stopped(vm, "what its hypervisor knows it by")
    changed = VmUpdated(**{name: getattr(vm, name) for name in names} | said)
    if any(getattr(vm, name) != getattr(changed, name) for name in changed.__struct_fields__):
        desk.change(vm, changed)


@decision
def group(ask: GroupVm, desk: Desk) -> None:
    vm = desk.row(vms, ask.vm_id)
    if ask.group_id is not None:
        desk.guard(desk.row(instance_groups, ask.group_id))
    if vm.group_id != ask.group_id:
        desk.change(vm, VmGrouped(group_id=ask.group_id))


@decision
def tell(ask: SetUserData, desk: Desk) -> None:
    vm = desk.row(vms, ask.vm_id)
    if ask.stopped:
        _stopped(vm, "its user data")
    if ask.user_data_id is not None:
        desk.guard(desk.row(user_datas, ask.user_data_id))
    told = (vm.user_data, vm.user_data_id, vm.user_data_details)
    if told != (ask.user_data, ask.user_data_id, ask.details):
        changed = VmUserDataSet(
            user_data=ask.user_data, user_data_id=ask.user_data_id, user_data_details=ask.details
        )
        desk.change(vm, changed)


@decision
def let_in(ask: SetKeys, desk: Desk) -> None:
    vm = desk.row(vms, ask.vm_id)
    _stopped(vm, "its SSH keys")
    desk.change(vm, VmKeysSet(key_pairs=ask.key_pairs, public_keys=ask.public_keys))


@decision
def lease(ask: LeaseVm, desk: Desk) -> None:
    vm = desk.row(vms, ask.vm_id)
    if (vm.lease_ends_at_ms, vm.lease_action) != (ask.ends_at_ms, ask.action):
        desk.change(vm, VmLeased(lease_ends_at_ms=ask.ends_at_ms, lease_action=ask.action))


def _stopped(vm: Vm, what: str) -> None:
    vm.unclaimed()
    if vm.state is not VmState.STOPPED:
        raise NotAllowed(f"virtual machine {vm.name} is {vm.state}: stop it to change {what}")


@decision
def found_off(ask: VmFound, desk: Desk) -> None:
    """A guest that died by itself: the log follows the world, unless something happened since."""
    vm = desk.row(vms, ask.vm_id)
    if vm.state is not VmState.RUNNING or vm.job_id is not None or vm.version != ask.version:
        return
    holds = vm.holds
    # The first event tells people what a change is about, so it is the guest's.
    desk.change(vm, VmStopped(why=ask.why))
    for hold in holds:
        desk.add(desk.world.allocator.release(hold), hold)


@decision
def found_elsewhere(ask: VmFoundElsewhere, desk: Desk) -> None:
    """A migration that was given up landed all the same: the log follows the guest, if it may be
    there. Otherwise it is refused, and the guest counts as one that died.
    """
    vm = desk.row(vms, ask.vm_id)
    if vm.state is not VmState.RUNNING or vm.job_id is not None or vm.version != ask.version:
        return
    desk.guard(vm)
    hold = uuid5(vm.id, f"found elsewhere/{ask.version}")
    take_room_elsewhere(desk, vm, hold, host_id=ask.host_id)
    free_capacity(desk, vm)
    desk.change(vm, VmMigrated(host_id=ask.host_id, hold=hold))
