"""Which guests take the connections of a load balancer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

from api import records
from api.authz import NOUNS, Right, Verdict, judge
from api.declare import Bound, Caller, Cloud, Job, Names, Page, Success, View, command, entry, view
from api.errors import ParamError
from api.lists import cut
from api.views.vm import VmView
from engine.intents.ip_rule import AssignMembers, RemoveMembers
from projections.load_balancer_rule import LoadBalancerRule, load_balancer_rules
from projections.vm import vms

RULE = ("load_balancer_rule", "load_balancer")


@entry
class GuestAddress:
    """A guest, and one of its addresses."""

    vm_id: Annotated[UUID, "the guest", Names("vm", right="operate")]
    vm_ip: Annotated[str | None, "its address; the first if omitted"] = None


def _asked(
    ids: Iterable[UUID] | None, addresses: Iterable[GuestAddress] | None
) -> list[tuple[UUID, str]]:
    """Every guest that was named, in either way, once."""
    found = [(one.vm_id, one.vm_ip or "") for one in addresses or ()]
    found += [(one, "") for one in ids or ()]
    if not found:
        raise ParamError("virtualmachineids or vmidipmap is needed: name at least one guest")
    return list(dict.fromkeys(found))


def _kind(caller: Caller, rule_id: UUID) -> str:
    """Of which of the two nouns the load balancer is."""
    return RULE[0] if rule_id in caller.cloud[load_balancer_rules] else RULE[1]


@command(
    "assignToLoadBalancerRule",
    returns=Success,
    allow="ARDU",
    is_async=True,
    action="LB.ASSIGN.TO.RULE",
)
class AssignToLoadBalancerRule:
    """Let guests take connections of a load balancer."""

    id: Annotated[UUID, "the load balancer", Names(RULE, right="operate")]
    virtual_machine_ids: Annotated[
        tuple[UUID, ...] | None, "the guests", Names("vm", right="operate")
    ] = None
    vm_id_ip_map: Annotated[
        tuple[GuestAddress, ...] | None, "or guests, each with one of its addresses"
    ] = None

    async def run(self, caller: Caller) -> Job:
        members, kind = _asked(self.virtual_machine_ids, self.vm_id_ip_map), _kind(caller, self.id)
        ask = AssignMembers(kind=kind, id=self.id, members=members)
        return await records.as_job(caller, ask, kind, self.id)


@command(
    "removeFromLoadBalancerRule",
    returns=Success,
    allow="ARDU",
    is_async=True,
    action="LB.REMOVE.FROM.RULE",
)
class RemoveFromLoadBalancerRule:
    """Let guests take no more connections of a load balancer."""

    id: Annotated[UUID, "the load balancer", Names(RULE, right="operate")]
    virtual_machine_ids: Annotated[
        tuple[UUID, ...] | None, "the guests", Names("vm", right="operate")
    ] = None
    vm_id_ip_map: Annotated[
        tuple[GuestAddress, ...] | None, "or guests, each with one of its addresses"
    ] = None

    async def run(self, caller: Caller) -> Job:
        members, kind = _asked(self.virtual_machine_ids, self.vm_id_ip_map), _kind(caller, self.id)
        ask = RemoveMembers(kind=kind, id=self.id, members=members)
        return await records.as_job(caller, ask, kind, self.id)


@view
class MemberView(View, kw_only=True):
    """A guest with the addresses that it takes connections at."""

    load_balancer_rule_instance: Annotated[VmView, "the guest"]
    lb_vm_ip_addresses: Annotated[list[str], "its addresses"]


@command(
    "listLoadBalancerRuleInstances",
    returns=VmView,
    key="loadbalancerruleinstance",
    shape="list",
    allow="ARDU",
)
class ListLoadBalancerRuleInstances:
    """List the guests that take connections of a load balancer, or those that could."""

    id: Annotated[UUID, "the load balancer", Names("load_balancer_rule", right="see")]
    applied: Annotated[bool | None, "false: those of its network that do not"] = None
    lb_vm_ips: Annotated[bool | None, "also the addresses that they take them at"] = None
    keyword: Annotated[str | None, "text that a guest's name contains"] = None
    page: Annotated[int | None, "which page, from 1; needs pagesize", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page, at most 500; -1 for no limit", Bound(-1)] = None

    async def run(self, caller: Caller) -> Page:
        row = caller.cloud[load_balancer_rules][self.id]
        found = [vm for vm in self._guests(row, caller) if (self.keyword or "") in vm.name]
        shown = cut(found, self.page, self.page_size, caller)
        return Page(len(found), [self._shown(vm, row, caller.cloud) for vm in shown])

    def _guests(self, row: LoadBalancerRule, caller: Caller) -> list[Any]:
        """Each guest once; a caller sees those that it may see."""
        ids = list(dict.fromkeys(one.vm_id for one in row.members))
        guests = [vm for vm in map(caller.cloud[vms].get, ids) if vm is not None]
        if self.applied is False:
            mine = caller.cloud[vms].by("account_id", row.account_id)
            guests = [
                vm
                for vm in mine
                if vm.id not in ids and any(nic.network_id == row.network_id for nic in vm.nics)
            ]
        guard, who = NOUNS["vm"], caller.identity
        return [
            vm for vm in guests if judge(who, Right.SEE, guard, vm, caller.cloud) is Verdict.YES
        ]

    def _shown(self, vm: Any, row: LoadBalancerRule, cloud: Cloud) -> Any:
        if not self.lb_vm_ips:
            return VmView.of(vm, cloud)
        addresses = [one.ip for one in row.members if one.vm_id == vm.id]
        return MemberView(
            load_balancer_rule_instance=VmView.of(vm, cloud), lb_vm_ip_addresses=addresses
        )
