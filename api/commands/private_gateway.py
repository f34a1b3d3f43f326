"""Private gateways of VPCs, and static routes."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api import records
from api.commands.network import vlan_number
from api.declare import Caller, Job, Names, Roles, Success, command
from api.errors import InvalidValue, ParamError
from api.lists import Filter, list_command
from api.views.private_gateway import PrivateGatewayView, StaticRouteView
from projections.network_acl import DENY_ALL, network_acls
from projections.physical_network import physical_networks
from projections.private_gateway import private_gateways, static_routes
from projections.vpc import vpcs

KIND, ROUTE = "private_gateway", "static_route"


@command(
    "createPrivateGateway",
    returns=PrivateGatewayView,
    key="privategateway",
    allow="ARDU",
    is_async=True,
    creates=True,
    action="PRIVATE.GATEWAY.CREATE",
)
class CreatePrivateGateway:
    """Give a VPC an address in a network that is not one of its tiers."""

    vpc_id: Annotated[UUID, "the VPC", Names("vpc", right="operate")]
    gateway: Annotated[str, "the next router on that network"]
    netmask: Annotated[str, "the mask of that network"]
    ip_address: Annotated[str, "the address that the VPC shall have there"]
    vlan: Annotated[str | None, "the VLAN of that network; root admins only", Roles("Admin")] = None
    associated_network_id: Annotated[
        UUID | None, "one of the cloud's own networks, instead of a VLAN", Names("network")
    ] = None
    physical_network_id: Annotated[
        UUID | None, "the wires that carry the VLAN", Names("physical_network"), Roles("Admin")
    ] = None
    network_offering_id: Annotated[
        UUID | None, "ignored: a gateway has no services", Names("network_offering")
    ] = None
    acl_id: Annotated[UUID | None, "what passes; nothing if omitted", Names("network_acl")] = None
    source_nat_supported: Annotated[bool | None, "let guests go out by its address"] = None
    bypass_vlan_overlap_check: Annotated[
        bool | None, "take a VLAN that a guest network has too", Roles("Admin")
    ] = None

    async def run(self, caller: Caller) -> Job:
        vpc = caller.cloud[vpcs][self.vpc_id]
        if (not self.vlan) == (self.associated_network_id is None):
            raise ParamError("say which network: vlan (root admins), or associatednetworkid")
        number = vlan_number(self.vlan)
        fields: dict[str, Any] = {
            "vpc_id": vpc.id,
            "account_id": vpc.account_id,
            "domain_id": vpc.domain_id,
            "zone_id": vpc.zone_id,
            "gateway": self.gateway,
            "netmask": self.netmask,
            "ip_address": self.ip_address,
            "network_acl_id": self.acl_id or _closed(caller),
            "source_nat": bool(self.source_nat_supported),
            "shares_vlan": bool(self.bypass_vlan_overlap_check),
            "associated_network_id": self.associated_network_id,
        }
        if self.vlan:
            fields["vlan"] = "untagged" if number is None else str(number)
            fields["physical_network_id"] = self._wires(caller, vpc.zone_id)
        return await records.create(caller, KIND, fields)

    def _wires(self, caller: Caller, zone_id: UUID) -> UUID | None:
        """The wires named, or the zone's first."""
        named = caller.cloud[physical_networks].get(self.physical_network_id)
        if named is not None and named.zone_id != zone_id:
            raise InvalidValue(f"physical network {named.name} is in another zone than the VPC")
        first = next(iter(caller.cloud[physical_networks].by("zone_id", zone_id)), None)
        wires = named or first
        return None if wires is None else wires.id


def _closed(caller: Caller) -> UUID:
    """The built-in access list that lets nothing pass."""
    built_in = caller.cloud[network_acls].by("vpc_id", None)
    return next(row.id for row in built_in if row.name == DENY_ALL)


@command(
    "deletePrivateGateway",
    returns=Success,
    allow="ARDU",
    is_async=True,
    action="PRIVATE.GATEWAY.DELETE",
)
class DeletePrivateGateway:
    """Delete a private gateway that no static route goes through."""

    id: Annotated[UUID, "the gateway", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await records.remove(caller, KIND, self.id)


@list_command(
    "listPrivateGateways",
    view=PrivateGatewayView,
    table=private_gateways,
    key="privategateway",
    keyword=("ip_address", "vlan"),
)
class ListPrivateGateways:
    """List private gateways."""

    vpc_id: Annotated[UUID | None, "those of this VPC", Names("vpc", right="see")] = None
    ip_address: Annotated[str | None, "the one with this address"] = None
    vlan: Annotated[str | None, "those on this VLAN"] = None
    state: Annotated[str | None, "Ready"] = None


@command(
    "createStaticRoute",
    returns=StaticRouteView,
    key="staticroute",
    allow="ARDU",
    is_async=True,
    creates=True,
    action="STATIC.ROUTE.CREATE",
)
class CreateStaticRoute:
    """Send packets of a VPC to some subnet through a private gateway, or to a router of a tier."""

    cidr: Annotated[str, "that subnet"]
    gateway_id: Annotated[UUID | None, "the private gateway", Names(KIND, right="operate")] = None
    next_hop: Annotated[str | None, "the router; with vpcid, instead of gatewayid"] = None
    vpc_id: Annotated[UUID | None, "the VPC", Names("vpc", right="operate")] = None

    async def run(self, caller: Caller) -> Job:
        through = caller.cloud[private_gateways].get(self.gateway_id)
        if (through is None) == (not self.next_hop):
            raise ParamError("say where they go: gatewayid, or nexthop with vpcid")
        vpc = caller.cloud[vpcs].get(self.vpc_id if through is None else through.vpc_id)
        if vpc is None:
            raise ParamError("nexthop needs the vpcid: give both")
        if self.vpc_id not in (None, vpc.id):
            raise InvalidValue("gatewayid names a private gateway of another VPC than vpcid")
        fields = {
            "vpc_id": vpc.id,
            "account_id": vpc.account_id,
            "domain_id": vpc.domain_id,
            "cidr": self.cidr,
            "next_hop": self.next_hop if through is None else through.gateway,
            "private_gateway_id": self.gateway_id,
        }
        return await records.create(caller, ROUTE, fields)


@command(
    "deleteStaticRoute",
    returns=Success,
    allow="ARDU",
    is_async=True,
    action="STATIC.ROUTE.DELETE",
)
class DeleteStaticRoute:
    """Delete a static route."""

    id: Annotated[UUID, "the route", Names(ROUTE, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await records.remove(caller, ROUTE, self.id)


@list_command(
    "listStaticRoutes",
    view=StaticRouteView,
    table=static_routes,
    key="staticroute",
    keyword=("cidr", "next_hop"),
)
class ListStaticRoutes:
    """List static routes."""

    vpc_id: Annotated[UUID | None, "those of this VPC", Names("vpc", right="see")] = None
    gateway_id: Annotated[
        UUID | None,
        "those through this private gateway",
        Names(KIND, right="see"),
        Filter("private_gateway_id"),
    ] = None
    state: Annotated[str | None, "Active"] = None
