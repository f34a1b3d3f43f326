"""Load balancer rules: make, change, remove and list them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api import records
from api.commands.custom_id import KeepsId
from api.commands.rule_checks import cidrs, port_range, protocol_of
from api.declare import Caller, Job, Names, OneOf, Roles, Success, command
from api.errors import InvalidValue, missing
from api.lists import Displayed, Filter, list_command
from api.views.load_balancer_rule import LoadBalancerRuleView
from engine.intents.ip_rule import CreateIpRule, RemoveIpRule, UpdateIpRule
from engine.intents.public_ip_address import AllocateAddress
from engine.intents.record import Together
from projections.load_balancer_rule import LoadBalancerRule, load_balancer_rules
from projections.network import networks

KIND, ADDRESS = "load_balancer_rule", "public_ip_address"
ALGORITHMS = OneOf("roundrobin", "leastconn", "source")
PROTOCOLS = ("tcp", "udp", "tcp-proxy", "ssl")


@command(
    "createLoadBalancerRule",
    returns=LoadBalancerRuleView,
    key="loadbalancer",
    allow="ARDU",
    is_async=True,
    creates=True,
    action="LB.CREATE",
)
class CreateLoadBalancerRule:
    """Spread the connections to a public port over guests, which are assigned next."""

    name: Annotated[str, "its name"]
    algorithm: Annotated[str, "roundrobin, leastconn or source", ALGORITHMS]
    public_port: Annotated[int, "the public port"]
    private_port: Annotated[int, "the port of its guests"]
    public_ip_id: Annotated[
        UUID | None, "the public address; a new one if omitted", Names(ADDRESS, "operate")
    ] = None
    network_id: Annotated[
        UUID | None, "the network of its guests", Names("network", right="operate")
    ] = None
    protocol: Annotated[str | None, "tcp, udp, tcp-proxy or ssl; tcp if omitted"] = None
    description: Annotated[str | None, "what to say of it"] = None
    cidr_list: Annotated[tuple[str, ...] | None, "who may come; everybody if omitted"] = None
    open_firewall: Annotated[bool | None, "false: make no firewall rule for it"] = None
    zone_id: Annotated[UUID | None, "the zone of the address", Names("zone")] = None
    account: Annotated[str | None, "ignored: a rule is its address's owner's"] = None
    domain_id: Annotated[UUID | None, "ignored likewise", Names("domain", "see")] = None
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None

    async def run(self, caller: Caller) -> Job:
        port, _ = port_range(self.public_port, None, "publicport")
        private, _ = port_range(self.private_port, None, "privateport")
        row_id, opened, address_id = caller.new_id(), caller.new_id(), caller.new_id()
        fields = {
            "name": self.name,
            "ip_address_id": self.public_ip_id or address_id,
            "network_id": self.network_id,
            "algorithm": self.algorithm,
            "start_port": port,
            "end_port": port,
            "private_port": private,
            "protocol": protocol_of(self.protocol or "tcp", *PROTOCOLS),
            "description": self.description or "",
            "cidrs": cidrs(self.cidr_list, "cidrlist"),
            "is_displayed": self.for_display is not False,
        }
        opens = None if self.open_firewall is False else opened
        ask: Any = CreateIpRule(kind=KIND, id=row_id, fields=fields, opens=opens)
        if self.public_ip_id is None:
            ask = Together(asks=(self._address(caller, address_id), ask))
        return await records.as_job(caller, ask, KIND, row_id)

    def _address(self, caller: Caller, address_id: UUID) -> AllocateAddress:
        """A rule without an address gets one of its own, in the same commit."""
        if self.network_id is None:
            raise missing("createLoadBalancerRule", "publicipid")
        network = caller.cloud[networks][self.network_id]
        if network.vpc_id is not None:
            raise InvalidValue("publicipid is needed in a VPC: take an address for it first")
        return AllocateAddress(
            id=address_id,
            account_id=network.account_id,
            domain_id=network.domain_id,
            zone_id=network.zone_id,
            network_id=network.id,
        )


@command(
    "updateLoadBalancerRule",
    returns=LoadBalancerRuleView,
    key="loadbalancer",
    allow="ARDU",
    is_async=True,
    action="LB.UPDATE",
)
class UpdateLoadBalancerRule(KeepsId):
    """Rename a load balancer, or let it spread connections in another way."""

    id: Annotated[UUID, "the rule", Names(KIND, right="operate")]
    name: Annotated[str | None, "its new name"] = None
    description: Annotated[str | None, "what to say of it"] = None
    algorithm: Annotated[str | None, "roundrobin, leastconn or source", ALGORITHMS] = None
    protocol: Annotated[str | None, "tcp, udp, tcp-proxy or ssl"] = None
    cidr_list: Annotated[tuple[str, ...] | None, "who may come"] = None
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None

    async def run(self, caller: Caller) -> Job:
        fields: dict[str, Any] = records.given(
            self, "description", "algorithm", is_displayed="for_display"
        )
        if self.name:
            fields["name"] = self.name
        if self.protocol:
            fields["protocol"] = self._protocol(caller.cloud[load_balancer_rules][self.id])
        if self.cidr_list is not None:
            fields["cidrs"] = cidrs(self.cidr_list, "cidrlist")
        ask = UpdateIpRule(kind=KIND, id=self.id, fields=fields)
        return await records.as_job(caller, ask, KIND, self.id)

    def _protocol(self, row: LoadBalancerRule) -> str:
        """A rule keeps to its transport, and one with a certificate to ssl."""
        found = protocol_of(self.protocol or "", *PROTOCOLS)
        if (found == "udp") != (row.protocol == "udp"):
            raise InvalidValue(f"a {row.protocol} rule cannot become {found}: make another rule")
        if row.ssl_cert_id is not None and found != "ssl":
            raise InvalidValue(f"load balancer {row.name} has a certificate: remove that first")
        return found


@command("deleteLoadBalancerRule", returns=Success, allow="ARDU", is_async=True, action="LB.DELETE")
class DeleteLoadBalancerRule:
    """Remove a load balancer rule with its policies, and the firewall rule opened for it."""

    id: Annotated[UUID, "the rule", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await records.as_job(caller, RemoveIpRule(kind=KIND, id=self.id), KIND, self.id)


@list_command(
    "listLoadBalancerRules",
    view=LoadBalancerRuleView,
    table=load_balancer_rules,
    key="loadbalancerrule",
    keyword=("name", "description"),
)
class ListLoadBalancerRules(Displayed):
    """List load balancer rules."""

    public_ip_id: Annotated[
        UUID | None, "on this address", Names(ADDRESS, right="see"), Filter("ip_address_id")
    ] = None
    network_id: Annotated[UUID | None, "into this network", Names("network", right="see")] = None
    zone_id: Annotated[UUID | None, "in this zone", Names("zone", right="see")] = None
    virtual_machine_id: Annotated[
        UUID | None,
        "to this guest",
        Names("vm", right="see"),
        Filter(test=lambda row, wanted: any(one.vm_id == wanted for one in row.members)),
    ] = None
    for_display: Annotated[
        bool | None, "shown to their owners, or not", Roles("Admin"), Filter("is_displayed")
    ] = None
