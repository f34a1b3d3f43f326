"""Firewall rules of public addresses and egress rules of networks: make, change, remove, list."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Any
from uuid import UUID

from api import records
from api.commands.custom_id import KeepsId
from api.commands.rule_checks import ANYWHERE, cidrs, traffic
from api.declare import Caller, Job, Names, OneOf, Roles, Success, command, part
from api.errors import Denied, InvalidValue
from api.lists import Displayed, Filter, list_command
from api.views.ip_rule import FirewallRuleView
from engine.intents.ip_rule import CreateIpRule, RemoveIpRule, UpdateIpRule
from projections.egress_firewall_rule import egress_firewall_rules
from projections.firewall_rule import firewall_rules
from projections.network import networks
from projections.table import TABLES

IN, OUT = "firewall_rule", "egress_firewall_rule"


@part
class Traffic:
    """Which traffic a rule is about, as both directions ask it."""

    protocol: Annotated[str, "tcp, udp or icmp"]
    start_port: Annotated[int | None, "the first port; all without"] = None
    end_port: Annotated[int | None, "the last port"] = None
    icmp_type: Annotated[int | None, "the ICMP type; -1 is any"] = None
    icmp_code: Annotated[int | None, "the ICMP code; -1 is any"] = None
    cidr_list: Annotated[tuple[str, ...] | None, "where it comes from"] = None
    type: Annotated[
        str | None, "user, or system for rules of administrators", OneOf("User", "System")
    ] = None
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None

    def fields(self, caller: Caller, *protocols: str) -> dict[str, Any]:
        """What both directions keep alike."""
        if self.type == "System" and not caller.is_root:
            raise Denied("system firewall rules are for root administrators: leave type out")
        return traffic(self, *protocols) | {
            "kind": self.type or "User",
            "is_displayed": self.for_display is not False,
        }


@command(
    "createFirewallRule",
    returns=FirewallRuleView,
    key="firewallrule",
    allow="ARDU",
    is_async=True,
    creates=True,
    action="FIREWALL.OPEN",
)
class CreateFirewallRule(Traffic):
    """Let traffic in to a public address."""

    ip_address_id: Annotated[UUID, "the address", Names("public_ip_address", right="operate")]

    async def run(self, caller: Caller) -> Job:
        fields = self.fields(caller, "tcp", "udp", "icmp") | {
            "ip_address_id": self.ip_address_id,
            "cidrs": cidrs(self.cidr_list, "cidrlist", default=ANYWHERE),
        }
        row_id = caller.new_id()
        return await records.as_job(
            caller, CreateIpRule(kind=IN, id=row_id, fields=fields), IN, row_id
        )


@command(
    "createEgressFirewallRule",
    returns=FirewallRuleView,
    key="firewallrule",
    allow="ARDU",
    is_async=True,
    creates=True,
    action="FIREWALL.EGRESS.OPEN",
)
class CreateEgressFirewallRule(Traffic):
    """Let traffic out of a network, or forbid it where its offering lets everything out."""

    network_id: Annotated[UUID, "the network", Names("network", right="operate")]
    dest_cidr_list: Annotated[tuple[str, ...] | None, "where it goes; anywhere if omitted"] = None

    async def run(self, caller: Caller) -> Job:
        network = caller.cloud[networks][self.network_id]
        sources = cidrs(self.cidr_list, "cidrlist", default=network.cidr or ANYWHERE)
        for one in sources:
            if one != ANYWHERE and not _within(one, network.cidr):
                raise InvalidValue(
                    f"cidrlist {one} is not within {network.cidr} of network {network.name}: "
                    "traffic that goes out comes from there"
                )
        fields = self.fields(caller, "tcp", "udp", "icmp", "all") | {
            "network_id": self.network_id,
            "cidrs": sources,
            "dest_cidrs": cidrs(self.dest_cidr_list, "destcidrlist", default=ANYWHERE),
        }
        row_id = caller.new_id()
        return await records.as_job(
            caller, CreateIpRule(kind=OUT, id=row_id, fields=fields), OUT, row_id
        )


def _within(text: str, whole: str) -> bool:
    part, net = ip_network(text), ip_network(whole or ANYWHERE)
    return part.version == net.version and part.subnet_of(net)  # type: ignore[arg-type]


@command(
    "updateFirewallRule",
    returns=FirewallRuleView,
    key="firewallrule",
    allow="ARDU",
    is_async=True,
    action="FIREWALL.UPDATE",
)
class UpdateFirewallRule(KeepsId):
    """Show a firewall rule to its owner, or hide it."""

    id: Annotated[UUID, "the rule", Names(IN, right="operate")]
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None

    async def run(self, caller: Caller) -> Job:
        return await _show(caller, IN, self.id, self.for_display)


@command(
    "updateEgressFirewallRule",
    returns=FirewallRuleView,
    key="firewallrule",
    allow="ARDU",
    is_async=True,
    action="FIREWALL.EGRESS.UPDATE",
)
class UpdateEgressFirewallRule(KeepsId):
    """Show an egress rule to its owner, or hide it."""

    id: Annotated[UUID, "the rule", Names(OUT, right="operate")]
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None

    async def run(self, caller: Caller) -> Job:
        return await _show(caller, OUT, self.id, self.for_display)


async def _show(caller: Caller, kind: str, row_id: UUID, shown: bool | None) -> Job:
    fields = {} if shown is None else {"is_displayed": shown}
    ask = UpdateIpRule(kind=kind, id=row_id, fields=fields)
    return await records.as_job(caller, ask, kind, row_id)


@command(
    "deleteFirewallRule", returns=Success, allow="ARDU", is_async=True, action="FIREWALL.CLOSE"
)
class DeleteFirewallRule:
    """Let this traffic in no more."""

    id: Annotated[UUID, "the rule", Names(IN, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await _close(caller, IN, self.id)


@command(
    "deleteEgressFirewallRule",
    returns=Success,
    allow="ARDU",
    is_async=True,
    action="FIREWALL.EGRESS.CLOSE",
)
class DeleteEgressFirewallRule:
    """Remove an egress rule."""

    id: Annotated[UUID, "the rule", Names(OUT, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await _close(caller, OUT, self.id)


async def _close(caller: Caller, kind: str, row_id: UUID) -> Job:
    row: Any = caller.cloud[TABLES[kind]][row_id]
    if row.kind == "System" and not caller.is_root:
        raise Denied(f"rule {row_id} is a system rule: a root administrator may remove it")
    return await records.as_job(caller, RemoveIpRule(kind=kind, id=row_id), kind, row_id)


@list_command(
    "listFirewallRules",
    view=FirewallRuleView,
    table=firewall_rules,
    key="firewallrule",
    keyword=("protocol",),
)
class ListFirewallRules(Displayed):
    """List what public addresses let in."""

    ip_address_id: Annotated[
        UUID | None, "of this address", Names("public_ip_address", right="see")
    ] = None
    network_id: Annotated[UUID | None, "before this network", Names("network", right="see")] = None
    for_display: Annotated[
        bool | None, "shown to their owners, or not", Roles("Admin"), Filter("is_displayed")
    ] = None


@list_command(
    "listEgressFirewallRules",
    view=FirewallRuleView,
    table=egress_firewall_rules,
    key="firewallrule",
    keyword=("protocol",),
)
class ListEgressFirewallRules(Displayed):
    """List the egress rules of networks."""

    ip_address_id: Annotated[
        UUID | None,
        "finds none: egress rules are of networks",
        Names("public_ip_address", right="see"),
        Filter(test=lambda row, wanted: False),
    ] = None
    network_id: Annotated[UUID | None, "of this network", Names("network", right="see")] = None
    for_display: Annotated[
        bool | None, "shown to their owners, or not", Roles("Admin"), Filter("is_displayed")
    ] = None
