"""Decisions about virtual machines that touch nothing in the world."""

from __future__ import annotations

from aggregates.vm import VmState, VmStopped, VmUpdated
from engine.decide import Desk, decision
from engine.intents.vm import RecoverVm, UpdateVm, VmFound
from projections.vm import vms


@decision
def recover(ask: RecoverVm, desk: Desk) -> None:
    vm = desk.row(vms, ask.vm_id)
    desk.change(vm, vm.recover())


@decision
def update(ask: UpdateVm, desk: Desk) -> None:
    vm = desk.row(vms, ask.vm_id)
    changed = VmUpdated(
        name=vm.name if ask.name is None else ask.name,
        display_name=vm.display_name if ask.display_name is None else ask.display_name,
        group=vm.group if ask.group is None else ask.group,
        user_data=vm.user_data if ask.user_data is None else ask.user_data,
        is_displayed=vm.is_displayed if ask.is_displayed is None else ask.is_displayed,
        details=vm.details if ask.details is None else ask.details,
    )
    if any(getattr(vm, name) != getattr(changed, name) for name in changed.__struct_fields__):
        desk.change(vm, changed)


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
