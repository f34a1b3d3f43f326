"""What becomes of a network that lives: other services, a smaller range, a new router, its end."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any
from uuid import uuid5

from aggregates.errors import InUse, Invalid, NotAllowed
from aggregates.network import (
    Network,
    NetworkOfferingChanged,
    NetworkPermitted,
    NetworkReserved,
    NetworkRestarted,
    NetworkState,
)
from aggregates.record import RECORDS
from engine.decide import Desk, decision
from engine.decisions.address_space import resize_space, spaces_of
from engine.intents.network import PermitNetwork, RestartNetwork, UpdateNetwork
from engine.ip_rules import ON_ADDRESSES, PURPOSES, clear_address, remove_rule
from engine.public_addresses import free_public, take_public
from engine.routers import begin_router, end_router, routers_of, source_nat
from projections.account import accounts
from projections.egress_firewall_rule import egress_firewall_rules
from projections.load_balancer import load_balancers
from projections.network import networks
from projections.network_offering import network_offerings
from projections.public_ip_address import public_ip_addresses
from projections.router import routers
from projections.vpn import remote_access_vpns

NEEDS = {
    "firewall_rule": "Firewall",
    "port_forwarding_rule": "PortForwarding",
    "ip_forwarding_rule": "StaticNat",
    "load_balancer_rule": "Lb",
}


def change(network: Network, ask: UpdateNetwork, desk: Desk) -> None:
    """Everything about a network that is more than a word."""
    if ask.guest_vm_cidr is not None and ask.guest_vm_cidr != network.guest_vm_cidr:
        _reserve(network, ask.guest_vm_cidr, desk)
    if ask.offering_id not in (None, network.offering_id):
        _offer(network, ask, desk)
    if ask.source_nat_ip:
        _move_source_nat(network, ask.source_nat_ip, desk)


def _offer(network: Network, ask: UpdateNetwork, desk: Desk) -> None:
    """Another offering of its kind, which has every service that its rules use."""
    assert ask.offering_id is not None
    offering = desk.row(network_offerings, ask.offering_id)
    if offering.state != "Enabled":
        raise NotAllowed(f"network offering {offering.name} is {offering.state}: enable it first")
    desk.guard(offering)
    now = desk.cloud[network_offerings].get(network.offering_id)
    if offering.guest_ip_type != network.guest_ip_type or (
        now is not None and offering.for_vpc != now.for_vpc
    ):
        raise Invalid(
            f"network offering {offering.name} is for {offering.guest_ip_type} networks, and "
            f"{network.name} is {network.guest_ip_type}: choose one of its kind",
            field="networkofferingid",
        )
    if now is not None and offering.specify_vlan != now.specify_vlan:
        raise Invalid(
            f"network offering {offering.name} and that of network {network.name} choose VLANs "
            "in different ways: choose one that does as before",
            field="networkofferingid",
        )
    for spec in ON_ADDRESSES:
        for row in desk.cloud[spec].by("network_id", network.id):
            if NEEDS[row.KIND] not in offering.services:
                raise InUse(
                    f"network offering {offering.name} has no {NEEDS[row.KIND]}, which the "
                    f"{PURPOSES[row.KIND]} rule {row.id} needs: remove that first"
                )
    for address in desk.cloud[public_ip_addresses].by("network_id", network.id):
        dialled = desk.cloud[remote_access_vpns].by("public_ip_address_id", address.id)
        if dialled and "Vpn" not in offering.services:
            raise InUse(
                f"network offering {offering.name} has no Vpn, and people dial in at address "
                f"{address.address}: deleteRemoteAccessVpn first"
            )
        if address.is_static_nat and "StaticNat" not in offering.services:
            raise InUse(
                f"network offering {offering.name} has no StaticNat, which address "
                f"{address.address} needs: disable its static NAT first"
            )
        if address.is_source_nat and "SourceNat" not in offering.services:
            clear_address(desk, address)
            free_public(desk, address)
    desk.guard(offering)
    desk.change(
        network, NetworkOfferingChanged(offering_id=offering.id, services=offering.services)
    )
    if network.state is NetworkState.IMPLEMENTED:
        _serve(desk.row(networks, network.id), desk, anew=True)


def _reserve(network: Network, cidr: str, desk: Desk) -> None:
    """Guests get addresses of this part of the subnet; what they have must lie in it."""
    if network.guest_ip_type != "Isolated":
        raise NotAllowed(f"network {network.name} is {network.guest_ip_type}: leave it out")
    try:
        part, whole = IPv4Network(cidr), IPv4Network(network.cidr)
    except ValueError as bad:
        raise Invalid(f"guestvmcidr {cidr!r} is no subnet: {bad}", field="guestvmcidr") from None
    if not part.subnet_of(whole):
        raise Invalid(f"guestvmcidr {part} is not within {whole}", field="guestvmcidr")
    if part.num_addresses < 4:
        raise Invalid(f"guestvmcidr {part} is too small to give addresses", field="guestvmcidr")
    first, last = int(part.network_address), int(part.broadcast_address)
    if part.network_address == whole.network_address:
        first += 1
    if part.broadcast_address == whole.broadcast_address:
        last -= 1
    (space,) = spaces_of(desk, "network_id", network.id, "guest_ip4")
    gateway = int(IPv4Address(network.gateway))
    reserved = [gateway] if first <= gateway <= last else []
    resize_space(desk, space, first, last, reserved)
    desk.change(network, NetworkReserved(guest_vm_cidr="" if part == whole else str(part)))


def _move_source_nat(network: Network, wanted: str, desk: Desk) -> None:
    """Its guests go out by another address of the network, or by one that is free."""
    rows = list(desk.cloud[public_ip_addresses].by("network_id", network.id))
    now = next((row for row in rows if row.is_source_nat), None)
    if now is None:
        raise NotAllowed(
            f"network {network.name} has no source NAT address yet: its first guest brings one"
        )
    if now.address == wanted:
        return
    if desk.cloud[remote_access_vpns].by("public_ip_address_id", now.id):
        raise InUse(
            f"people dial in at address {now.address} of network {network.name}: "
            "deleteRemoteAccessVpn first"
        )
    _mark(now, False, desk)
    mine = next((row for row in rows if row.address == wanted), None)
    if mine is not None and mine.is_static_nat:
        raise NotAllowed(f"address {wanted} has static NAT: disable that first")
    if mine is not None:
        _mark(mine, True, desk)
    else:
        take_public(
            desk,
            uuid5(network.id, f"source-nat/{now.id}/{now.version}"),
            account_id=network.account_id,
            domain_id=network.domain_id,
            zone_id=network.zone_id,
            wanted=wanted,
            network_id=network.id,
            is_source_nat=True,
        )
    for router in routers_of(desk, network):
        event = RECORDS["router"].update(router, {"public_ip": wanted})
        if event is not None:
            desk.change(router, event)


def _mark(row: Any, is_source_nat: bool, desk: Desk) -> None:
    event = RECORDS["public_ip_address"].update(row, {"is_source_nat": is_source_nat})
    if event is not None:
        desk.change(row, event)


@decision
def restart(ask: RestartNetwork, desk: Desk) -> None:
    network = desk.row(networks, ask.network_id)
    if network.state is not NetworkState.IMPLEMENTED:
        raise NotAllowed(
            f"Network is not in the right state to be restarted: {network.name} is "
            f"{network.state}, it must be Implemented. Its first guest brings that about"
        )
    _serve(network, desk, anew=ask.cleanup)
    desk.change(network, NetworkRestarted(cleaned=ask.cleanup))


def _serve(network: Network, desk: Desk, *, anew: bool) -> None:
    """The network has what its services need; with `anew` a router that knows nothing of before."""
    if network.vpc_id is not None:
        return
    standing = [one for one in routers_of(desk, network) if one.role == "VIRTUAL_ROUTER"]
    if standing and not anew:
        return
    for router in standing:
        end_router(desk, router)
    begin_router(desk, network, source_nat(desk, network))


@decision
def permit(ask: PermitNetwork, desk: Desk) -> None:
    network = desk.row(networks, ask.network_id)
    if network.acl_type != "Account":
        raise NotAllowed(
            f"network {network.name} serves a whole domain: permissions are for networks of "
            "an account"
        )
    for account_id in ask.add:
        account = desk.row(accounts, account_id)
        if account_id == network.account_id:
            raise Invalid(f"account {account.name} owns the network: leave it out")
        desk.guard(account)
    kept = [] if ask.take_all else [one for one in network.permitted if one not in ask.take]
    permitted = list(dict.fromkeys([*kept, *ask.add]))
    if permitted != network.permitted:
        desk.change(network, NetworkPermitted(permitted=permitted))


def take_parts(network: Network, desk: Desk) -> None:
    """A network that ends takes its rules, its addresses and its routers along."""
    for spec in (*ON_ADDRESSES, egress_firewall_rules, load_balancers):
        for row in list(desk.cloud[spec].by("network_id", network.id)):
            remove_rule(desk, row)
    for address in list(desk.cloud[public_ip_addresses].by("network_id", network.id)):
        clear_address(desk, address)
        free_public(desk, address)
    for router in list(desk.cloud[routers].by("network_id", network.id)):
        end_router(desk, router)
