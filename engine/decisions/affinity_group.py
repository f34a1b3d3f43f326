"""Decisions about who is in which affinity group."""

from __future__ import annotations

from aggregates.errors import NotAllowed
from aggregates.vm import VmAffinitySet, VmState
from engine.decide import Desk, decision
from engine.decisions import record
from engine.intents.affinity_group import RemoveAffinityGroup, SetAffinity
from engine.intents.record import RemoveRecord
from projections.affinity_group import affinity_groups, members
from projections.vm import vms


@decision
def remove(ask: RemoveAffinityGroup, desk: Desk) -> None:
    # The first event tells people what a change is about, so it is the group's.
    record.remove(RemoveRecord(kind="affinity_group", id=ask.group_id), desk)
    for vm in members(desk.cloud, desk.cloud[affinity_groups][ask.group_id]):
        left = tuple(one for one in vm.affinity_group_ids if one != ask.group_id)
        desk.change(vm, VmAffinitySet(affinity_group_ids=left))


@decision
def settle(ask: SetAffinity, desk: Desk) -> None:
    vm = desk.row(vms, ask.vm_id)
    vm.unclaimed()
    if vm.state is not VmState.STOPPED:
        raise NotAllowed(
            f"virtual machine {vm.name} is {vm.state}: stop it to change its affinity groups"
        )
    for group_id in ask.group_ids:
        desk.guard(desk.row(affinity_groups, group_id))
    if vm.affinity_group_ids != ask.group_ids:
        desk.change(vm, VmAffinitySet(affinity_group_ids=ask.group_ids))
