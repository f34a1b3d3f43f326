"""Security groups: their rules, the default one of each account, and the guests in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from aggregates.errors import AlreadyExists, InUse, Invalid, NotAllowed
from aggregates.record import RECORDS
from aggregates.security_group import VmSecurityGroupsSet
from aggregates.vm import VmState
from engine.decide import Desk, decision
from engine.decisions import record
from engine.decisions.record import Proposed, farewell, rule
from engine.decisions.traffic import settle_traffic, subnets
from engine.intents.record import CreateRecord
from engine.intents.security_group import (
    AuthorizeTraffic,
    EndSecurityGroup,
    EnsureDefaultGroup,
    SetSecurityGroups,
    rule_id,
)
from projections.security_group import (
    DEFAULT_GROUP,
    SecurityGroup,
    security_group_rules,
    security_groups,
)
from projections.vm import vms

WHAT = ("protocol", "start_port", "end_port", "icmp_type", "icmp_code", "cidr", "peer_group_id")


@decision
def ensure_default(ask: EnsureDefaultGroup, desk: Desk) -> UUID:
    """Two that need it at one moment get one: the name is claimed, and the later looks again."""
    for row in desk.cloud[security_groups].by("account_id", ask.account_id):
        if row.name == DEFAULT_GROUP:
            return row.id
    fields = {
        "name": DEFAULT_GROUP,
        "description": "Default Security Group",
        "account_id": ask.account_id,
        "domain_id": ask.domain_id,
    }
    record.create(CreateRecord(kind="security_group", id=ask.id, fields=fields), desk)
    return ask.id


@rule("security_group")
def keep_the_default(one: Proposed, desk: Desk) -> None:
    if one.row is not None and one.row.name == DEFAULT_GROUP and one.changes("name"):
        raise NotAllowed(f"security group {DEFAULT_GROUP} keeps its name: rename another one")


@decision
def end(ask: EndSecurityGroup, desk: Desk) -> None:
    """Also of other accounts' groups the rules go that let its guests through: there are none."""
    row = desk.row(security_groups, ask.id)
    _leave_nobody_in_it(row, desk)
    record.remove_parts(desk, "security_group_rule", "peer_group_id", row.id)
    record.unneeded("security_group", row, desk)
    desk.change(row, RECORDS["security_group"].removed())


@farewell("security_group")
def keep_the_default_one(row: SecurityGroup, desk: Desk) -> None:
    if row.name == DEFAULT_GROUP:
        raise NotAllowed(f"security group {DEFAULT_GROUP} cannot be deleted: it is the account's")
    _leave_nobody_in_it(row, desk)


def _leave_nobody_in_it(row: SecurityGroup, desk: Desk) -> None:
    mine = desk.cloud[vms].by("account_id", row.account_id)
    for vm in mine.passing((lambda vm: row.id in vm.security_group_ids,)):
        raise InUse(
            f"security group {row.name} is in use by virtual machine {vm.name}: "
            "put that into another group first"
        )
    record.remove_parts(desk, "security_group_rule", "security_group_id", row.id)


@decision
def authorize(ask: AuthorizeTraffic, desk: Desk) -> None:
    group = desk.row(security_groups, ask.security_group_id)
    # Asking twice at one moment makes one rule: both claim, and the later finds it there.
    record.claim("security_group_rule", {"security_group_id": group.id}, group.id, desk)
    shared = {**ask.fields}
    settle_traffic(shared, ports_needed=True)
    known = {
        _said(row, shared["is_egress"])
        for row in desk.cloud[security_group_rules].by("security_group_id", group.id)
        if row.is_egress == shared["is_egress"]
    }
    wanted = list(_each(shared, ask))
    if not wanted:
        raise Invalid("say whose traffic: cidrlist or usersecuritygrouplist", field="cidrlist")
    fresh = [one for one in wanted if _said(one, shared["is_egress"]) not in known]
    if not fresh:
        raise AlreadyExists(
            f"There is already a rule like this in security group {group.name}: keep that one"
        )
    for number, fields in enumerate(fresh):
        made = fields | {
            "security_group_id": group.id,
            "account_id": group.account_id,
            "domain_id": group.domain_id,
            "batch": ask.batch,
        }
        row_id = rule_id(ask.batch, number)
        record.create(CreateRecord(kind="security_group_rule", id=row_id, fields=made), desk)


@decision
def set_groups(ask: SetSecurityGroups, desk: Desk) -> None:
    vm = desk.row(vms, ask.vm_id)
    if vm.state is not VmState.STOPPED or vm.job_id is not None:
        raise NotAllowed(f"virtual machine {vm.name} is {vm.state}: stop it to change its groups")
    guard_groups(ask.security_group_ids, vm.account_id, desk)
    if vm.security_group_ids != ask.security_group_ids:
        desk.change(vm, VmSecurityGroupsSet(security_group_ids=ask.security_group_ids))


def guard_groups(group_ids: Iterable[UUID], account_id: UUID, desk: Desk) -> None:
    """A guest is in groups of its own account, which stay there while it is put into them."""
    for group_id in group_ids:
        group = desk.row(security_groups, group_id)
        if group.account_id != account_id:
            raise Invalid(
                f"security group {group.name} is another account's: choose one of the guest's",
                field="securitygroupids",
            )
        desk.guard(group)


def _each(shared: dict[str, Any], ask: AuthorizeTraffic) -> Iterator[dict[str, Any]]:
    for cidr in subnets(ask.cidrs):
        yield shared | {"cidr": cidr}
    for group_id in dict.fromkeys(ask.peer_group_ids):
        yield shared | {"peer_group_id": group_id}


def _said(one: object, is_egress: bool) -> tuple[object, ...]:
    """What a rule says, to compare it with another."""
    if isinstance(one, dict):
        fields = {"cidr": "", "peer_group_id": None} | one
        return (is_egress, *(fields.get(name) for name in WHAT))
    return (is_egress, *(getattr(one, name) for name in WHAT))
