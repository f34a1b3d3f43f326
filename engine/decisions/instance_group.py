"""An instance group is let go of together with what its guests say of it."""

from __future__ import annotations

from uuid import UUID

from aggregates.vm import VmGrouped
from engine.decide import Desk, decision
from engine.decisions import record
from engine.intents.instance_group import EnsureInstanceGroup, RemoveInstanceGroup
from engine.intents.record import CreateRecord, RemoveRecord
from projections.instance_group import instance_groups
from projections.vm import vms


@decision
def ensure(ask: EnsureInstanceGroup, desk: Desk) -> UUID:
    """Of two that make one group at one moment, the second finds the first one's."""
    for row in desk.cloud[instance_groups].by_text("name", ask.name):
        if row.account_id == ask.account_id:
            return row.id
    owner = {"account_id": ask.account_id, "domain_id": ask.domain_id}
    made = CreateRecord(kind="instance_group", id=ask.group_id, fields=owner | {"name": ask.name})
    record.create(made, desk)
    return ask.group_id


@decision
def remove(ask: RemoveInstanceGroup, desk: Desk) -> None:
    group = desk.row(instance_groups, ask.group_id)
    record.remove(RemoveRecord(kind="instance_group", id=group.id), desk)
    mine = desk.cloud[vms].by("account_id", group.account_id)
    for vm in mine.passing((lambda vm: vm.group_id == group.id,)):
        desk.change(vm, VmGrouped(group_id=None))
