"""Private gateways with addresses that nobody else has, and static routes that lead somewhere."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from aggregates.errors import InUse, Invalid
from aggregates.private_gateway import PrivateGateway
from engine.addresses import free_ip, take_ip
from engine.decide import Desk
from engine.decisions.ip4 import ip4, subnet_of
from engine.decisions.record import Proposed, claim, farewell, rule
from engine.decisions.traffic import ip4_network
from engine.decisions.vpc import usable_in
from projections.network import networks
from projections.network_acl import network_acls
from projections.private_gateway import private_gateways, static_routes
from projections.setting import value_of
from projections.vpc import vpcs

LINK_LOCAL = IPv4Network("169.254.0.0/16")


@rule("private_gateway")
def gateway_is_clear(one: Proposed, desk: Desk) -> None:
    usable_in(desk.row(network_acls, one["network_acl_id"]), one["vpc_id"])
    if one.row is not None:
        return
    vpc = desk.row(vpcs, one["vpc_id"])
    subnet = subnet_of(one["gateway"], one["netmask"])
    address = ip4(one["ip_address"], "ipaddress")
    if address not in subnet or address in (subnet.network_address, subnet.broadcast_address):
        raise Invalid(f"ipaddress {address} is no address of {subnet}", field="ipaddress")
    if address == ip4(one["gateway"], "gateway"):
        raise Invalid(
            f"ipaddress {address} is the gateway's own: choose another", field="ipaddress"
        )
    for tier in desk.cloud[networks].by("vpc_id", vpc.id):
        if IPv4Network(tier.cidr).overlaps(subnet):
            raise Invalid(
                f"{subnet} overlaps {tier.cidr} of tier {tier.name}: choose another network",
                field="gateway",
            )
    claim("vpc_range", {"vpc_id": vpc.id}, vpc.id, desk)
    if one["associated_network_id"] is not None:
        _on_a_network(one, desk)
    else:
        _on_a_vlan(one, desk)


def _on_a_network(one: Proposed, desk: Desk) -> None:
    """A gateway into one of the cloud's own networks has an address of it."""
    network = desk.row(networks, one["associated_network_id"])
    if network.vpc_id is not None or network.zone_id != one["zone_id"]:
        raise Invalid(
            f"network {network.name} is a tier or in another zone: choose one outside the VPC",
            field="associatednetworkid",
        )
    subnet = str(subnet_of(one["gateway"], one["netmask"]))
    if subnet != network.cidr:
        raise Invalid(
            f"{subnet} is not the subnet of network {network.name}: that is {network.cidr or '-'}",
            field="gateway",
        )
    # It is taken as a guest's is, so no guest has it and nobody takes a guest's.
    take_ip(desk, one.id, one.id, network, str(ip4(one["ip_address"], "ipaddress")))


def _on_a_vlan(one: Proposed, desk: Desk) -> None:
    """A VLAN of the zone's wires that no guest network has, unless it shall be shared."""
    if not one["shares_vlan"] and one["vlan"].isdigit():
        for network in desk.cloud[networks].by("zone_id", one["zone_id"]):
            if network.vlan == int(one["vlan"]):
                raise Invalid(
                    f"VLAN {one['vlan']} is that of network {network.name}: choose another, or say "
                    "bypassvlanoverlapcheck",
                    field="vlan",
                )
    where: dict[str, Any] = {name: one[name] for name in ("zone_id", "vlan", "ip_address")}
    claim("private_gateway", where, one.id, desk)
    for other in desk.cloud[private_gateways].by("zone_id", one["zone_id"]):
        if other.vlan == one["vlan"] and other.ip_address == one["ip_address"]:
            raise Invalid(
                f"ipaddress {one['ip_address']} is that of another private gateway there: "
                "choose another",
                field="ipaddress",
            )


@farewell("private_gateway")
def no_route_goes_through_it(row: PrivateGateway, desk: Desk) -> None:
    for route in desk.cloud[static_routes].by("private_gateway_id", row.id):
        if not desk.draft.removes(route.id):
            raise InUse(
                f"private gateway {row.ip_address} is in use by static route {route.cidr}: "
                "delete that first"
            )
    if row.associated_network_id is not None:
        free_ip(desk, row.id)


@rule("static_route")
def route_leads_out(one: Proposed, desk: Desk) -> None:
    if one.row is not None:
        return
    vpc = desk.row(vpcs, one["vpc_id"])
    cidr = ip4_network(one["cidr"], "cidr")
    _not_inside(cidr, vpc.cidr, f"the range of VPC {vpc.name}")
    _not_inside(cidr, str(LINK_LOCAL), "the link-local range")
    for text in value_of(desk.cloud, "blacklisted.routes", vpc.zone_id).split(","):
        if text.strip():
            _not_inside(cidr, text.strip(), "a route that the operator forbids")
    claim("static_route", {"vpc_id": vpc.id}, one.id, desk)
    for other in desk.cloud[static_routes].by("vpc_id", vpc.id):
        _not_inside(cidr, other.cidr, "another static route of the VPC")
    one.fields["cidr"] = str(cidr)
    if one["private_gateway_id"] is None:
        _reachable(one, desk)


def _not_inside(cidr: IPv4Network, other: str, what: str) -> None:
    if cidr.overlaps(ip4_network(other, "blacklisted.routes")):
        raise Invalid(f"cidr {cidr} overlaps {other}, {what}: choose another", field="cidr")


def _reachable(one: Proposed, desk: Desk) -> None:
    """The next router stands in a tier, or in a network that a private gateway leads into."""
    hop, vpc_id = ip4(one["next_hop"], "nexthop"), one["vpc_id"]
    near = [IPv4Network(tier.cidr) for tier in desk.cloud[networks].by("vpc_id", vpc_id)]
    behind = desk.cloud[private_gateways].by("vpc_id", vpc_id)
    near += [subnet_of(gateway.gateway, gateway.netmask) for gateway in behind]
    if not any(hop in subnet for subnet in near):
        raise Invalid(
            f"nexthop {hop} is in no tier and behind no private gateway of the VPC: choose one "
            "that is",
            field="nexthop",
        )
