"""What IPv6 traffic may reach the guests of an isolated network, or leave it."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api import records
from api.authz import noun
from api.commands.custom_id import KeepsId
from api.declare import (
    Bound,
    Caller,
    Cloud,
    Job,
    Names,
    OneOf,
    Roles,
    Success,
    View,
    command,
    part,
    view,
)
from api.lists import Displayed, Filter, list_command
from api.views.tag import TagView, tags_of
from projections.ipv6 import Ipv6FirewallRule, ipv6_firewall_rules
from projections.network import networks

KIND = "ipv6_firewall_rule"
noun(KIND, "owned")


@view
class Ipv6FirewallRuleView(View, kw_only=True):
    """A rule of an IPv6 firewall."""

    id: Annotated[UUID, "its id"]
    network_id: Annotated[UUID, "the network"]
    protocol: Annotated[str, "tcp, udp, icmp, all, or a protocol's number"]
    traffic_type: Annotated[str, "Ingress or Egress"]
    start_port: Annotated[int | None, "the first port"] = None
    end_port: Annotated[int | None, "the last port"] = None
    icmp_type: Annotated[int | None, "the type of message; -1 for all"] = None
    icmp_code: Annotated[int | None, "the code of message; -1 for all"] = None
    cidr_list: Annotated[str, "where it comes from, with commas"]
    dest_cidr_list: Annotated[str, "where it goes, with commas"]
    state: Annotated[str, "always Active"]
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None
    tags: Annotated[list[TagView], "its tags"]

    @classmethod
    def of(cls, row: Ipv6FirewallRule, cloud: Cloud) -> Ipv6FirewallRuleView:
        names = ("protocol", "traffic_type", "start_port", "end_port", "icmp_type", "icmp_code")
        return cls(
            id=row.id,
            network_id=row.network_id,
            cidr_list=",".join(row.cidrs),
            dest_cidr_list=",".join(row.dest_cidrs),
            state=row.state,
            for_display=row.is_displayed,
            tags=tags_of(row.id, cloud),
            **{name: getattr(row, name) for name in names},
        )


@part
class TrafficAsked:
    """Which traffic a rule is about."""

    start_port: Annotated[int | None, "the first port; all if omitted", Bound(1, 65535)] = None
    end_port: Annotated[int | None, "the last port; the first if omitted", Bound(1, 65535)] = None
    icmp_type: Annotated[int | None, "the type of message; -1 for all", Bound(-1, 255)] = None
    icmp_code: Annotated[int | None, "the code of message; -1 for all", Bound(-1, 255)] = None
    cidr_list: Annotated[tuple[str, ...] | None, "where it comes from; anywhere if omitted"] = None
    traffic_type: Annotated[
        str | None, "Ingress or Egress, as seen from the network", OneOf("Ingress", "Egress")
    ] = None
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None

    def said(self) -> dict[str, Any]:
        """The fields of a rule for those parameters that were sent."""
        ports = ("start_port", "end_port", "icmp_type", "icmp_code")
        names = (*ports, "protocol", "traffic_type")
        sent = records.given(self, *names, cidrs="cidr_list", is_displayed="for_display")
        return {name: value for name, value in sent.items() if value != ""}


@command(
    "createIpv6FirewallRule",
    returns=Ipv6FirewallRuleView,
    key="firewallrule",
    allow="ARDU",
    is_async=True,
    creates=True,
    action="IPV6.FIREWALL.RULE.CREATE",
)
class CreateIpv6FirewallRule(TrafficAsked):
    """Let one kind of IPv6 traffic through."""

    network_id: Annotated[UUID, "the network", Names("network", right="operate")]
    protocol: Annotated[str, "tcp, udp, icmp, all, or a protocol's number"]
    dest_cidr_list: Annotated[tuple[str, ...] | None, "where it goes; anywhere if omitted"] = None

    async def run(self, caller: Caller) -> Job:
        network = caller.cloud[networks][self.network_id]
        fields = {
            "network_id": network.id,
            "account_id": network.account_id,
            "domain_id": network.domain_id,
            "cidrs": (),
            "dest_cidrs": self.dest_cidr_list or (),
        }
        return await records.create(caller, KIND, fields | self.said())


@command(
    "updateIpv6FirewallRule",
    returns=Ipv6FirewallRuleView,
    key="firewallrule",
    allow="ARDU",
    is_async=True,
    action="IPV6.FIREWALL.RULE.UPDATE",
)
class UpdateIpv6FirewallRule(TrafficAsked, KeepsId):
    """Change what a rule lets through."""

    id: Annotated[UUID, "the rule", Names(KIND, right="operate")]
    protocol: Annotated[str | None, "tcp, udp, icmp, all, or a protocol's number"] = None

    async def run(self, caller: Caller) -> Job:
        return await records.update(caller, KIND, self.id, self.said())


@command(
    "deleteIpv6FirewallRule",
    returns=Success,
    allow="ARDU",
    is_async=True,
    action="IPV6.FIREWALL.RULE.DELETE",
)
class DeleteIpv6FirewallRule:
    """Let one kind of IPv6 traffic through no more."""

    id: Annotated[UUID, "the rule", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await records.remove(caller, KIND, self.id)


@list_command(
    "listIpv6FirewallRules",
    view=Ipv6FirewallRuleView,
    table=ipv6_firewall_rules,
    key="firewallrule",
    keyword=("protocol",),
)
class ListIpv6FirewallRules(Displayed):
    """List the rules of IPv6 firewalls."""

    network_id: Annotated[UUID | None, "those of this network", Names("network", right="see")] = (
        None
    )
    traffic_type: Annotated[str | None, "Ingress or Egress"] = None
    for_display: Annotated[
        bool | None, "shown to their owners, or not", Roles("Admin"), Filter("is_displayed")
    ] = None
