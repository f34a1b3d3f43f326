"""Security groups as the wire shows them, with their rules."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.authz import noun
from api.declare import Cloud, View, view
from api.views.owner import OwnedView, owner
from api.views.tag import TagView, tags_of
from projections.account import accounts
from projections.security_group import (
    SecurityGroup,
    SecurityGroupRule,
    security_group_rules,
    security_groups,
)
from projections.vm import Vm, vms

noun("security_group", "owned")
noun("security_group_rule", "owned")


@view
class SecurityGroupRuleView(View, kw_only=True):
    """A rule of a security group: a kind of traffic, and a subnet or another group."""

    rule_id: Annotated[UUID, "its id"]
    protocol: Annotated[str, "tcp, udp, icmp, all, or a protocol's number"]
    start_port: Annotated[int | None, "the first port"] = None
    end_port: Annotated[int | None, "the last port"] = None
    icmp_type: Annotated[int | None, "the type of message; -1 for all"] = None
    icmp_code: Annotated[int | None, "the code of message; -1 for all"] = None
    cidr: Annotated[str | None, "the subnet"] = None
    account: Annotated[str | None, "the account of the other group"] = None
    security_group_name: Annotated[str | None, "the other group"] = None
    tags: Annotated[list[TagView], "its tags"]

    @classmethod
    def of(cls, row: SecurityGroupRule, cloud: Cloud) -> SecurityGroupRuleView:
        peer = cloud[security_groups].get(row.peer_group_id)
        whose = None if peer is None else cloud[accounts].get(peer.account_id)
        return cls(
            rule_id=row.id,
            protocol=row.protocol,
            start_port=row.start_port,
            end_port=row.end_port,
            icmp_type=row.icmp_type,
            icmp_code=row.icmp_code,
            cidr=row.cidr or None,
            account=None if whose is None else whose.name,
            security_group_name=None if peer is None else peer.name,
            tags=tags_of(row.id, cloud),
        )


@view
class SecurityGroupView(OwnedView, kw_only=True):
    """A security group."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name"]
    description: Annotated[str, "what its owner says of it"]
    ingress_rule: Annotated[list[SecurityGroupRuleView], "what may reach its guests"]
    egress_rule: Annotated[list[SecurityGroupRuleView], "what its guests may reach"]
    virtual_machine_count: Annotated[int, "how many guests are in it"]
    virtual_machine_ids: Annotated[list[UUID], "those guests"]
    tags: Annotated[list[TagView], "its tags"]

    @classmethod
    def of(cls, row: SecurityGroup | SecurityGroupRule, cloud: Cloud) -> SecurityGroupView:
        """A group with all its rules; for a rule, its group with what was asked for with it."""
        rules = list(cloud[security_group_rules].by("security_group_id", _group_id(row)))
        if isinstance(row, SecurityGroupRule):
            rules = [one for one in rules if one.batch == row.batch]
        group = cloud[security_groups][_group_id(row)]
        mine = cloud[vms].by("account_id", group.account_id)
        inside = [vm.id for vm in mine if group.id in vm.security_group_ids]
        return cls(
            id=group.id,
            name=group.name,
            description=group.description,
            ingress_rule=[_rule(one, cloud) for one in rules if not one.is_egress],
            egress_rule=[_rule(one, cloud) for one in rules if one.is_egress],
            virtual_machine_count=len(inside),
            virtual_machine_ids=inside,
            tags=tags_of(group.id, cloud),
            **owner(group, cloud),
        )


@view
class GuestGroupView(View, kw_only=True):
    """A security group, as a guest that is in it shows it."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name"]
    description: Annotated[str, "what its owner says of it"]
    account: Annotated[str | None, "the account that owns it"] = None


def groups_of(vm: Vm, cloud: Cloud) -> list[GuestGroupView]:
    """The security groups that a guest is in."""
    found = map(cloud[security_groups].get, vm.security_group_ids)
    return [
        GuestGroupView(
            id=row.id, name=row.name, description=row.description, account=_account(row, cloud)
        )
        for row in found
        if row is not None
    ]


def _account(row: SecurityGroup, cloud: Cloud) -> str | None:
    account = cloud[accounts].get(row.account_id)
    return None if account is None else account.name


def _group_id(row: SecurityGroup | SecurityGroupRule) -> UUID:
    return row.security_group_id if isinstance(row, SecurityGroupRule) else row.id


_rule = SecurityGroupRuleView.of
