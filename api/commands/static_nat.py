"""Static NAT: let a public address stand for a guest, and what it lets through."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api import records
from api.commands.rule_checks import cidrs, port_range, protocol_of
from api.declare import Caller, Job, Names, Success, command
from api.lists import Filter, list_command
from api.views.ip_rule import IpForwardingRuleView
from engine.intents.ip_rule import CreateIpRule, RemoveIpRule
from engine.intents.public_ip_address import DisableStaticNat, EnableStaticNat
from projections.ip_forwarding_rule import ip_forwarding_rules

ADDRESS, KIND = "public_ip_address", "ip_forwarding_rule"


@command("enableStaticNat", returns=Success, allow="ARDU", action="STATICNAT.ENABLE")
class EnableStaticNatCommand:
    """Let a public address stand for one address of a guest."""

    ip_address_id: Annotated[UUID, "the public address", Names(ADDRESS, right="operate")]
    virtual_machine_id: Annotated[UUID, "the guest", Names("vm", right="operate")]
    network_id: Annotated[
        UUID | None, "its network; needed in a VPC with several", Names("network", right="operate")
    ] = None
    vm_guest_ip: Annotated[str | None, "which address of the guest; its first if omitted"] = None

    async def run(self, caller: Caller) -> None:
        await caller.decide(
            EnableStaticNat(
                address_id=self.ip_address_id,
                vm_id=self.virtual_machine_id,
                network_id=self.network_id,
                vm_ip=self.vm_guest_ip or "",
            )
        )


@command(
    "disableStaticNat", returns=Success, allow="ARDU", is_async=True, action="STATICNAT.DISABLE"
)
class DisableStaticNatCommand:
    """Let a public address stand for no guest any more; its rules go."""

    ip_address_id: Annotated[UUID, "the public address", Names(ADDRESS, right="operate")]

    async def run(self, caller: Caller) -> Job:
        ask = DisableStaticNat(address_id=self.ip_address_id)
        return await records.as_job(caller, ask, ADDRESS, self.ip_address_id)


@command(
    "createIpForwardingRule",
    returns=IpForwardingRuleView,
    key="ipforwardingrule",
    allow="ARDU",
    is_async=True,
    creates=True,
    action="NET.RULEADD",
)
class CreateIpForwardingRule:
    """Let ports of an address with static NAT through to its guest."""

    ip_address_id: Annotated[UUID, "the address", Names(ADDRESS, right="operate")]
    protocol: Annotated[str, "tcp or udp"]
    start_port: Annotated[int, "the first port"]
    end_port: Annotated[int | None, "the last port; the first if omitted"] = None
    cidr_list: Annotated[tuple[str, ...] | None, "who may come; everybody if omitted"] = None
    open_firewall: Annotated[bool | None, "false: make no firewall rule for it"] = None

    async def run(self, caller: Caller) -> Job:
        first, last = port_range(self.start_port, self.end_port, "startport", "endport")
        fields = {
            "ip_address_id": self.ip_address_id,
            "protocol": protocol_of(self.protocol, "tcp", "udp"),
            "start_port": first,
            "end_port": last,
        }
        row_id, opened = caller.new_id(), caller.new_id()
        ask = CreateIpRule(
            kind=KIND,
            id=row_id,
            fields=fields,
            opens=None if self.open_firewall is False else opened,
            from_cidrs=cidrs(self.cidr_list, "cidrlist"),
        )
        return await records.as_job(caller, ask, KIND, row_id)


@command(
    "deleteIpForwardingRule",
    returns=Success,
    allow="ARDU",
    is_async=True,
    action="NET.RULEDELETE",
)
class DeleteIpForwardingRule:
    """Let these ports through no more."""

    id: Annotated[UUID, "the rule", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await records.as_job(caller, RemoveIpRule(kind=KIND, id=self.id), KIND, self.id)


@list_command(
    "listIpForwardingRules",
    view=IpForwardingRuleView,
    table=ip_forwarding_rules,
    key="ipforwardingrule",
    keyword=("protocol",),
)
class ListIpForwardingRules:
    """List what addresses with static NAT let through."""

    ip_address_id: Annotated[UUID | None, "on this address", Names(ADDRESS, right="see")] = None
    virtual_machine_id: Annotated[
        UUID | None, "to this guest", Names("vm", right="see"), Filter("vm_id")
    ] = None
