"""VPCs: their range, the tiers that share it out, and what goes when a VPC goes."""

from __future__ import annotations

from ipaddress import IPv4Network
from uuid import UUID, uuid5

from aggregates.errors import InUse, Invalid, NotAllowed
from aggregates.vpc import Vpc
from engine.decide import Desk, decision
from engine.decisions import record
from engine.decisions.record import Proposed, claim, farewell, remove_parts, rule
from engine.decisions.traffic import ip4_network
from engine.intents.network import CreateNetwork
from engine.intents.record import CreateRecord, UpdateRecord
from engine.intents.vpc import CreateVpc, RestartVpc
from engine.ip_rules import clear_address
from engine.public_addresses import free_public, public_ranges, take_public
from engine.routers import create_router, end_router
from projections.network import networks
from projections.network_acl import DENY_ALL, NetworkAcl, network_acls
from projections.network_offering import NetworkOffering
from projections.vpc import vpcs
from projections.vpc_offering import vpc_offerings
from projections.zone import zones

SMALLEST_PREFIX, LARGEST_PREFIX = 8, 29
PRIVATE = tuple(IPv4Network(one) for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
# What belongs to a VPC and goes with it, in the order in which nothing needs what is gone.
PARTS = ("static_route", "private_gateway", "vpn_connection", "vpn_gateway", "network_acl")


@decision
def create(ask: CreateVpc, desk: Desk) -> None:
    offering = desk.row(vpc_offerings, ask.fields["offering_id"])
    if offering.state != "Enabled":
        raise NotAllowed(f"VPC offering {offering.name} is {offering.state}: enable it first")
    zone = desk.row(zones, ask.fields["zone_id"])
    if zone.network_type != "Advanced":
        raise Invalid(
            f"zone {zone.name} is {zone.network_type} and has no VPCs: choose an Advanced one",
            field="zoneid",
        )
    if zone.security_groups_enabled:
        raise Invalid(
            f"zone {zone.name} has security groups, so it has no VPCs: choose another",
            field="zoneid",
        )
    fields = ask.fields | {"services": offering.services, "is_redundant": offering.is_redundant}
    record.create(CreateRecord(kind="vpc", id=ask.id, fields=fields), desk)
    if fields.get("state", "Enabled") == "Enabled":
        _begin(desk, desk.row(vpcs, ask.id), ask.address_id, ask.router_id, ask.source_nat_ip)


def _begin(desk: Desk, vpc: Vpc, address_id: UUID, router_id: UUID, wanted: str = "") -> None:
    """Give a VPC what its tiers need: the address that they go out by, and a router."""
    public_ip = _source_nat(desk, vpc, address_id, wanted)
    standby = [uuid5(router_id, "standby")] if vpc.is_redundant else []
    for one in (router_id, *standby):
        create_router(desk, one, vpc, vpc_id=vpc.id, public_ip=public_ip)


def _source_nat(desk: Desk, vpc: Vpc, address_id: UUID, wanted: str) -> str:
    """Its source NAT address; none where the zone has no public addresses and none is wanted."""
    if "SourceNat" not in vpc.services:
        return ""
    for row in record.naming(desk, "public_ip_address", "vpc_id", vpc.id):
        if row.is_source_nat:
            return str(row.address)
    if not wanted and next(public_ranges(desk.cloud, vpc.zone_id), None) is None:
        return ""
    return take_public(
        desk,
        address_id,
        account_id=vpc.account_id,
        domain_id=vpc.domain_id,
        zone_id=vpc.zone_id,
        wanted=wanted,
        vpc_id=vpc.id,
        is_source_nat=True,
    )


@decision
def restart(ask: RestartVpc, desk: Desk) -> None:
    vpc = desk.row(vpcs, ask.id)
    if ask.make_redundant and vpc.is_redundant:
        raise NotAllowed(f"VPC {vpc.name} has two routers already: leave makeredundant out")
    fields = {
        "state": "Enabled",
        "restart_required": False,
        "is_redundant": vpc.is_redundant or ask.make_redundant,
    }
    record.update(UpdateRecord(kind="vpc", id=vpc.id, fields=fields), desk)
    routers = record.naming(desk, "router", "vpc_id", vpc.id)
    there = [one for one in routers if one.role == "VIRTUAL_ROUTER"]
    if there and not (ask.cleanup or ask.make_redundant):
        return
    for router in there:
        end_router(desk, router)
    _begin(desk, desk.row(vpcs, vpc.id), ask.address_id, ask.router_id)


@rule("vpc")
def range_is_private(one: Proposed, desk: Desk) -> None:
    if not one.changes("cidr"):
        return
    cidr = ip4_network(one["cidr"], "cidr")
    if not any(cidr.subnet_of(private) for private in PRIVATE):
        raise Invalid(
            f"cidr {cidr} is no private range: choose one within "
            f"{', '.join(str(private) for private in PRIVATE)}",
            field="cidr",
        )
    if not SMALLEST_PREFIX <= cidr.prefixlen <= LARGEST_PREFIX:
        raise Invalid(
            f"cidr {cidr} must have from {SMALLEST_PREFIX} to {LARGEST_PREFIX} bits", field="cidr"
        )
    one.fields["cidr"] = str(cidr)


@farewell("vpc")
def take_its_parts(row: Vpc, desk: Desk) -> None:
    """Its tiers must be gone; what only describes the VPC goes with it."""
    for tier in desk.cloud[networks].by("vpc_id", row.id):
        raise InUse(f"VPC {row.name} is in use by network {tier.name}: delete that first")
    for kind in PARTS:
        remove_parts(desk, kind, "vpc_id", row.id)
    for address in list(record.naming(desk, "public_ip_address", "vpc_id", row.id)):
        clear_address(desk, address)
        free_public(desk, address)
    for router in list(record.naming(desk, "router", "vpc_id", row.id)):
        end_router(desk, router)


def check_tier(
    ask: CreateNetwork, offering: NetworkOffering, cidr: IPv4Network | None, desk: Desk
) -> UUID | None:
    """What a new tier must be; gives the access list that it gets. None for no tier."""
    if ask.vpc_id is None:
        if offering.for_vpc:
            raise Invalid(
                f"network offering {offering.name} is for VPC tiers: give vpcid, or choose another",
                field="networkofferingid",
            )
        if ask.network_acl_id is not None:
            raise Invalid("aclid is for tiers of a VPC: leave it out", field="aclid")
        return None
    vpc = desk.row(vpcs, ask.vpc_id)
    desk.guard(vpc)
    _fits_offering(vpc, ask, offering)
    _fits_range(vpc, cidr, desk)
    acl = desk.row(network_acls, ask.network_acl_id or closed(desk))
    usable_in(acl, vpc.id)
    desk.guard(acl)
    return acl.id


def _fits_offering(vpc: Vpc, ask: CreateNetwork, offering: NetworkOffering) -> None:
    if not offering.for_vpc:
        raise Invalid(
            f"network offering {offering.name} is not for VPC tiers: choose one that is",
            field="networkofferingid",
        )
    if ask.zone_id != vpc.zone_id:
        raise Invalid(f"VPC {vpc.name} is in another zone: give its zoneid", field="zoneid")
    if ask.account_id != vpc.account_id:
        raise Invalid(f"VPC {vpc.name} is another account's: its tiers are too", field="account")
    for service, providers in offering.services.items():
        able = vpc.services.get(service, [])
        lacking = [one for one in providers if one not in able]
        if lacking:
            raise Invalid(
                f"VPC {vpc.name} has no {service} by {', '.join(lacking)}, which network offering "
                f"{offering.name} needs: choose another offering",
                field="networkofferingid",
            )


def _fits_range(vpc: Vpc, cidr: IPv4Network | None, desk: Desk) -> None:
    """A tier is a part of its VPC's range that no other tier has.

    Two tiers made at one moment both claim their VPC, so that the later one sees the other.
    """
    whole = IPv4Network(vpc.cidr)
    if cidr is None or not cidr.subnet_of(whole):
        raise Invalid(
            f"{cidr} is not within the range {whole} of VPC {vpc.name}: give gateway and netmask "
            "of a part of it",
            field="gateway",
        )
    claim("vpc_range", {"vpc_id": vpc.id}, vpc.id, desk)
    for tier in desk.cloud[networks].by("vpc_id", vpc.id):
        if IPv4Network(tier.cidr).overlaps(cidr):
            raise Invalid(
                f"{cidr} overlaps {tier.cidr} of tier {tier.name}: choose another part of {whole}",
                field="gateway",
            )


def closed(desk: Desk) -> UUID:
    """The built-in access list that lets nothing pass."""
    built_in = desk.cloud[network_acls].by("vpc_id", None)
    return next(row.id for row in built_in if row.name == DENY_ALL)


def usable_in(acl: NetworkAcl, vpc_id: UUID | None) -> None:
    """A list serves the VPC that it belongs to; the built-in ones serve all."""
    if acl.vpc_id not in (None, vpc_id):
        raise Invalid(
            f"access list {acl.name} belongs to another VPC: choose one of this, or a built-in one",
            field="aclid",
        )
