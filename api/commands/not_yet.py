"""Lists of nouns that this cloud does not have yet: always empty, so that clients can go on.

Clients ask these beside what they really want; libcloud, for one, asks for forwarding rules
whenever it lists guests. A noun that comes to life takes its list out of here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from api.declare import Bound, Caller, Page, View, command, view
from api.lists import cut

EMPTY = {
    "listPortForwardingRules": ("portforwardingrule", "port forwarding rules"),
    "listIpForwardingRules": ("ipforwardingrule", "IP forwarding rules"),
    "listFirewallRules": ("firewallrule", "firewall rules"),
    "listEgressFirewallRules": ("firewallrule", "egress firewall rules"),
    "listLoadBalancerRules": ("loadbalancerrule", "load balancer rules"),
    "listSecurityGroups": ("securitygroup", "security groups"),
    "listAffinityGroups": ("affinitygroup", "affinity groups"),
    "listInstanceGroups": ("instancegroup", "groups of virtual machines"),
    "listSnapshots": ("snapshot", "snapshots of volumes"),
    "listVMSnapshot": ("vmSnapshot", "snapshots of virtual machines"),
}


@view
class NothingView(View, kw_only=True):
    """What a list of nothing would hold."""

    id: Annotated[UUID, "its id"]

    @classmethod
    def of(cls, row: object, cloud: object) -> NothingView:
        raise AssertionError("there is no row to show")


@dataclass(frozen=True, kw_only=True)
class ListNothing:
    """A list that checks its paging and finds nothing."""

    page: Annotated[int | None, "which page, from 1; needs pagesize", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page, at most 500; -1 for no limit", Bound(-1)] = None

    async def run(self, caller: Caller) -> Page:
        return Page(0, cut([], self.page, self.page_size))


for name, (key, nouns) in EMPTY.items():
    told = {"__doc__": f"List {nouns}. This cloud has none yet.", "__module__": __name__}
    shaped = command(name, returns=NothingView, key=key, shape="list", allow="ARDU")
    shaped(type(name, (ListNothing,), told))
