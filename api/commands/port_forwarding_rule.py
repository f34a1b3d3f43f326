"""Port forwarding: make, change, remove and list rules."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api import records
from api.commands.custom_id import KeepsId
from api.commands.rule_checks import cidrs, port_range, protocol_of
from api.declare import Caller, Job, Names, Roles, Success, command
from api.errors import InvalidValue
from api.lists import Displayed, Filter, list_command
from api.views.ip_rule import PortForwardingRuleView
from engine.intents.ip_rule import CreateIpRule, RemoveIpRule, UpdateIpRule
from projections.port_forwarding_rule import port_forwarding_rules

KIND = "port_forwarding_rule"


@command(
    "createPortForwardingRule",
    returns=PortForwardingRuleView,
    key="portforwardingrule",
    allow="ARDU",
    is_async=True,
    creates=True,
    action="NET.RULEADD",
)
class CreatePortForwardingRule:
    """Lead ports of a public address to ports of a guest."""

    ip_address_id: Annotated[UUID, "the address", Names("public_ip_address", right="operate")]
    virtual_machine_id: Annotated[UUID, "the guest", Names("vm", right="operate")]
    protocol: Annotated[str, "tcp or udp"]
    public_port: Annotated[int, "the first public port"]
    private_port: Annotated[int, "the first port of the guest"]
    public_end_port: Annotated[int | None, "the last public port; the first if omitted"] = None
    private_end_port: Annotated[int | None, "the last port of the guest"] = None
    vm_guest_ip: Annotated[str | None, "which address of the guest; its first if omitted"] = None
    network_id: Annotated[
        UUID | None, "its network; needed in a VPC with several", Names("network", right="operate")
    ] = None
    cidr_list: Annotated[tuple[str, ...] | None, "who may come; everybody if omitted"] = None
    open_firewall: Annotated[
        bool | None, "false: make no firewall rule that lets the traffic in"
    ] = None
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None

    async def run(self, caller: Caller) -> Job:
        first, last = port_range(
            self.public_port, self.public_end_port, "publicport", "publicendport"
        )
        start, end = port_range(
            self.private_port, self.private_end_port, "privateport", "privateendport"
        )
        if self.private_end_port is None:
            end = start + last - first
        _as_long(first, last, start, end)
        fields = {
            "ip_address_id": self.ip_address_id,
            "network_id": self.network_id,
            "vm_id": self.virtual_machine_id,
            "vm_ip": self.vm_guest_ip or "",
            "protocol": protocol_of(self.protocol, "tcp", "udp"),
            "start_port": first,
            "end_port": last,
            "private_start_port": start,
            "private_end_port": end,
            "cidrs": cidrs(self.cidr_list, "cidrlist"),
            "is_displayed": self.for_display is not False,
        }
        row_id, opened = caller.new_id(), caller.new_id()
        opens = None if self.open_firewall is False else opened
        ask = CreateIpRule(kind=KIND, id=row_id, fields=fields, opens=opens)
        return await records.as_job(caller, ask, KIND, row_id)


def _as_long(first: int, last: int, start: int, end: int) -> None:
    """Each public port leads to one private port, or all of them to a single one."""
    if end > 65_535:
        raise InvalidValue(f"the private ports {start}-{end} end beyond 65535: start lower")
    if end - start not in (0, last - first):
        raise InvalidValue(
            f"Source port and destination port ranges should be of equal sizes: {first}-{last} "
            f"and {start}-{end} are not"
        )


@command(
    "updatePortForwardingRule",
    returns=PortForwardingRuleView,
    key="portforwardingrule",
    allow="ARDU",
    is_async=True,
    action="NET.RULEMODIFY",
)
class UpdatePortForwardingRule(KeepsId):
    """Lead the same public ports elsewhere."""

    id: Annotated[UUID, "the rule", Names(KIND, right="operate")]
    virtual_machine_id: Annotated[UUID | None, "another guest", Names("vm", "operate")] = None
    vm_guest_ip: Annotated[str | None, "another address of the guest"] = None
    private_port: Annotated[int | None, "another first port of the guest"] = None
    private_end_port: Annotated[int | None, "another last port of the guest"] = None
    cidr_list: Annotated[tuple[str, ...] | None, "who may come"] = None
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None

    async def run(self, caller: Caller) -> Job:
        row = caller.cloud[port_forwarding_rules][self.id]
        fields: dict[str, Any] = records.given(
            self, vm_id="virtual_machine_id", vm_ip="vm_guest_ip", is_displayed="for_display"
        )
        if self.private_port is not None or self.private_end_port is not None:
            start = row.private_start_port if self.private_port is None else self.private_port
            length = row.end_port - row.start_port
            end = start + length if self.private_end_port is None else self.private_end_port
            port_range(start, end, "privateport", "privateendport")
            _as_long(row.start_port, row.end_port, start, end)
            fields |= {"private_start_port": start, "private_end_port": end}
        if self.cidr_list is not None:
            fields["cidrs"] = cidrs(self.cidr_list, "cidrlist")
        ask = UpdateIpRule(kind=KIND, id=self.id, fields=fields)
        return await records.as_job(caller, ask, KIND, self.id)


@command(
    "deletePortForwardingRule",
    returns=Success,
    allow="ARDU",
    is_async=True,
    action="NET.RULEDELETE",
)
class DeletePortForwardingRule:
    """Remove a port forwarding rule, and the firewall rule that was opened for it."""

    id: Annotated[UUID, "the rule", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await records.as_job(caller, RemoveIpRule(kind=KIND, id=self.id), KIND, self.id)


@list_command(
    "listPortForwardingRules",
    view=PortForwardingRuleView,
    table=port_forwarding_rules,
    key="portforwardingrule",
    keyword=("vm_ip", "protocol"),
)
class ListPortForwardingRules(Displayed):
    """List port forwarding rules."""

    ip_address_id: Annotated[
        UUID | None, "on this address", Names("public_ip_address", right="see")
    ] = None
    network_id: Annotated[UUID | None, "into this network", Names("network", right="see")] = None
    for_display: Annotated[
        bool | None, "shown to their owners, or not", Roles("Admin"), Filter("is_displayed")
    ] = None
