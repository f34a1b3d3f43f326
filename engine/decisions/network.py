"""Decisions about guest networks: their subnet, their VLAN, and the addresses they may give."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from uuid import UUID, uuid5

from aggregates.address import AddressSpaceCreated, AddressSpaceRemoved
from aggregates.errors import AlreadyExists, Exhausted, InUse, Invalid, NotAllowed
from aggregates.network import NetworkCreated, NetworkRemoved, NetworkUpdated, space_of
from aggregates.vm import Vm
from engine.addresses import spaces
from engine.decide import Desk, decision
from engine.decisions import record
from engine.decisions.ip4 import ip4, leave_out, subnet_of, usable
from engine.decisions.ipv6 import ip6_of
from engine.decisions.network_change import change, take_parts
from engine.decisions.vpc import check_tier
from engine.decisions.zone_networks import check_zone
from engine.draft import Decision
from engine.intents.network import CreateNetwork, RemoveNetwork, UpdateNetwork
from engine.lodging import coming
from engine.network_domain import usual_domain
from engine.routers import implement, take_source_nat
from projections.addresses import address_spaces
from projections.network import networks
from projections.network_offering import NetworkOffering, network_offerings
from projections.nic import Nics
from projections.physical_network import physical_networks
from projections.zone import zones

DEFAULT_GUEST_CIDR = "10.1.1.0/24"


@dataclass(frozen=True, slots=True)
class Subnet:
    """The addresses of a network: `first` to `last` may be given to guests."""

    cidr: IPv4Network
    gateway: IPv4Address
    first: IPv4Address
    last: IPv4Address


@decision
def create(ask: CreateNetwork, desk: Desk) -> UUID:
    if ask.is_first and (there := _first(ask, desk)) is not None:
        return there
    zone = desk.row(zones, ask.zone_id)
    offering = desk.row(network_offerings, ask.offering_id)
    if offering.state != "Enabled":
        raise NotAllowed(f"network offering {offering.name} is {offering.state}: enable it first")
    desk.guard(offering)
    check_zone(zone, offering, ask, desk)
    without = offering.guest_ip_type == "L2" or zone.network_type == "Basic"
    subnet = None if without else _subnet(ask, zone.guest_cidr)
    acl_id = check_tier(ask, offering, subnet.cidr if subnet else None, desk)
    ip6_gateway, ip6_cidr = ip6_of(ask, offering, desk)
    physical = _physical(ask, desk)
    vlan, taken = _vlan(ask, offering, physical, desk)
    desk.create(
        ask.network_id,
        NetworkCreated(
            name=ask.name,
            display_text=ask.display_text,
            account_id=ask.account_id,
            domain_id=ask.domain_id,
            zone_id=ask.zone_id,
            offering_id=ask.offering_id,
            guest_ip_type=offering.guest_ip_type,
            physical_network_id=physical,
            gateway=str(subnet.gateway) if subnet else "",
            netmask=str(subnet.cidr.netmask) if subnet else "",
            cidr=str(subnet.cidr) if subnet else "",
            start_ip=str(subnet.first) if subnet else "",
            end_ip=str(subnet.last) if subnet else "",
            vlan=vlan,
            acl_type=ask.acl_type,
            network_domain=ask.network_domain or _domain(ask, offering, desk),
            dns1=ask.dns1 or zone.dns1,
            dns2=ask.dns2 or zone.dns2,
            is_displayed=ask.is_displayed,
            services=offering.services,
            vpc_id=ask.vpc_id,
            network_acl_id=acl_id,
            ip6_gateway=ip6_gateway,
            ip6_cidr=ip6_cidr,
            subdomain_access=ask.subdomain_access,
        ),
    )
    if taken is not None:
        desk.add(taken, _vlan_hold(ask.network_id))
    if subnet is not None:
        desk.create(
            space_of(ask.network_id),
            AddressSpaceCreated(
                purpose="guest_ip4",
                zone_id=ask.zone_id,
                network_id=ask.network_id,
                first=int(subnet.first),
                last=int(subnet.last),
                reserved=[int(subnet.gateway)],
            ),
        )
    network = desk.row(networks, ask.network_id)
    if ask.source_nat_ip:
        take_source_nat(desk, network, ask.source_nat_ip)
    if offering.is_persistent:
        implement(desk, network, at_once=ask.source_nat_ip)
    return ask.network_id


def _first(ask: CreateNetwork, desk: Desk) -> UUID | None:
    """The isolated network that the account has in the zone; otherwise this is to be its first.

    Guests that are deployed at one moment, at two controllers perhaps, each ask for it: the name
    lets one of them in, and the others decide again and find what that one made.
    """
    mine = desk.cloud[networks].by("account_id", ask.account_id)
    for one in mine:
        if (one.zone_id, one.guest_ip_type, one.vpc_id) == (ask.zone_id, "Isolated", None):
            return one.id
    named = {"first_of": ask.account_id, "zone": ask.zone_id}
    record.claim(networks.kind, named, ask.network_id, desk)
    return None


@decision
def update(ask: UpdateNetwork, desk: Desk) -> None:
    network = desk.row(networks, ask.network_id)
    changed = NetworkUpdated(
        name=network.name if ask.name is None else ask.name,
        display_text=network.display_text if ask.display_text is None else ask.display_text,
        network_domain=(
            network.network_domain if ask.network_domain is None else ask.network_domain
        ),
        is_displayed=network.is_displayed if ask.is_displayed is None else ask.is_displayed,
        dns1=ask.dns1,
        dns2=ask.dns2,
    )
    told = {name: getattr(changed, name) for name in changed.__struct_fields__}
    if any(value not in (None, getattr(network, name)) for name, value in told.items()):
        desk.change(network, changed)
    change(network, ask, desk)


@decision
def remove(ask: RemoveNetwork, desk: Desk) -> None:
    network = desk.row(networks, ask.network_id)
    if (vm := _guest_of(network.id, desk)) is not None:
        raise InUse(
            f"network {network.name} is in use by virtual machine {vm.name}: expunge that first"
        )
    take_parts(network, desk)
    hold = _vlan_hold(network.id)
    desk.add(desk.world.allocator.release_address(hold), hold)
    for space in desk.cloud[address_spaces].by("network_id", network.id):
        desk.change(space, AddressSpaceRemoved())
    record.remove_parts(desk, "ipv6_firewall_rule", "network_id", network.id)
    record.remove_parts(desk, "vlan_ip_range", "network_id", network.id)
    record.unneeded("network", network, desk)
    desk.change(network, NetworkRemoved())


def _guest_of(network_id: UUID, desk: Desk) -> Vm | None:
    """A guest that has a card on a network, or gets one by a job: it has that once it is there."""
    if there := desk.cloud.view(Nics).guests_on(network_id):
        return there[0]
    return next((vm for one, vm in coming(desk.cloud) if one == network_id), None)


def _subnet(ask: CreateNetwork, zone_cidr: str) -> Subnet:
    if not ask.gateway:
        cidr = IPv4Network(zone_cidr or DEFAULT_GUEST_CIDR)
        gateway = cidr.network_address + 1
    else:
        cidr = subnet_of(ask.gateway, ask.netmask)
        gateway = ip4(ask.gateway, "gateway")
    first = _inside(cidr, ask.start_ip, "startip") or cidr.network_address + 1
    last = _inside(cidr, ask.end_ip or ask.start_ip, "endip") or cidr.broadcast_address - 1
    if first > last:
        raise Invalid(f"the range ends ({last}) before it begins ({first})", field="endip")
    if ask.start_ip:  # where nobody says a range, it is all of the subnet but the gateway
        leave_out(gateway, first, last)
    return Subnet(cidr, gateway, first, last)


def _inside(cidr: IPv4Network, address: str, field: str) -> IPv4Address | None:
    if not address:
        return None
    found = ip4(address, field)
    usable(found, cidr, field)
    return found


def _physical(ask: CreateNetwork, desk: Desk) -> UUID | None:
    """The wires that it is on, which stay while it begins."""
    if ask.physical_network_id is not None:
        found = desk.row(physical_networks, ask.physical_network_id)
    else:
        here = desk.cloud[physical_networks].by("zone_id", ask.zone_id)
        enabled = next((row for row in here if row.state == "Enabled"), None)
        if enabled is None:
            return None
        found = enabled
    desk.guard(found)
    return found.id


def _vlan(
    ask: CreateNetwork, offering: NetworkOffering, physical: UUID | None, desk: Desk
) -> tuple[int | None, Decision | None]:
    """A network that is its tenant's alone, Isolated or L2, keeps apart by a VLAN of its own.

    Where the wires have no ranges at all there is nothing to keep apart by, and networks are
    untagged, as whoever set the zone up chose; where all of a range are given, a network is
    refused rather than put on another one's wire. Who makes an L2 network of an offering that
    leaves the VLAN to its maker has said untagged by naming none.
    A VLAN that was asked for and lies outside of the wires' ranges is nobody's to give.
    """
    if ask.vlan is None and not _is_kept_apart(offering):
        return None, None
    if ask.vlan is not None:
        _claim_vlan(ask, physical, desk)
    try:
        candidates = spaces(desk.world, "vlan", physical_network_id=physical)
    except Exhausted:
        return ask.vlan, None
    ranges = [desk.cloud[address_spaces][one] for one in candidates]
    if ask.vlan is not None and not any(one.first <= ask.vlan <= one.last for one in ranges):
        return ask.vlan, None
    hold = _vlan_hold(ask.network_id)
    try:
        chosen = desk.world.allocator.take_address(
            candidates, hold, holder=ask.network_id, purpose="network", wanted=ask.vlan
        )
    except Exhausted:
        raise Exhausted(
            f"no VLAN is left for network {ask.name}: delete a network that is not needed, or let "
            "the physical network have more of them (updatePhysicalNetwork vlan=...)"
        ) from None
    return chosen.number, chosen


def _claim_vlan(ask: CreateNetwork, physical: UUID | None, desk: Desk) -> None:
    """A VLAN that somebody names is no other network's, nor that of one that begins just now."""
    named = {"physical_network_id": physical, "vlan": ask.vlan}
    record.claim("network_vlan", named, ask.network_id, desk)
    for other in desk.cloud[networks].by("zone_id", ask.zone_id):
        if (other.vlan, other.physical_network_id) == (ask.vlan, physical):
            raise AlreadyExists(f"VLAN {ask.vlan} is that of network {other.name}: choose another")


def _is_kept_apart(offering: NetworkOffering) -> bool:
    kind = offering.guest_ip_type
    return kind == "Isolated" or (kind == "L2" and not offering.specify_vlan)


def _vlan_hold(network_id: UUID) -> UUID:
    return uuid5(network_id, "vlan")


def _domain(ask: CreateNetwork, offering: NetworkOffering, desk: Desk) -> str:
    """Where names are served, every network has a domain."""
    if "Dns" not in offering.services:
        return ""
    return usual_domain(desk.cloud, ask.account_id, ask.zone_id)
