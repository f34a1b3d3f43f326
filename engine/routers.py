"""What serves a guest network: begun with its first guest, ended with the network.

Here a router is a row. That something runs for it, on a host, is `engine/routing`'s to see to.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from aggregates.address import ip4_text
from aggregates.errors import NotAllowed
from aggregates.network import Network, NetworkImplemented, NetworkState, space_of
from aggregates.record import RECORDS
from aggregates.router import Router
from engine.addresses import free_ip, take_ip
from engine.network_services import require
from engine.public_addresses import At, public_ranges, take_public
from projections.addresses import Addresses
from projections.public_ip_address import public_ip_addresses
from projections.router import routers
from projections.service_offering import service_offerings

ROUTER_SIZE = "domainrouter"


def implement(at: At, network: Network, *, at_once: str = "") -> None:
    """Give a network what its guests need, once: its source NAT address and its router.

    `at_once` is the address that the same commit has given it already.
    """
    if network.state is not NetworkState.ALLOCATED:
        return
    at.change(network, NetworkImplemented())
    if network.vpc_id is None:
        begin_router(at, network, at_once or source_nat(at, network))


def source_nat(at: At, network: Network) -> str:
    """The address that its guests go out by; none where the zone has no public addresses."""
    for row in at.cloud[public_ip_addresses].by("network_id", network.id):
        if row.is_source_nat:
            return row.address
    return take_source_nat(at, network, "") if _goes_out(at, network) else ""


def take_source_nat(at: At, network: Network, wanted: str) -> str:
    """Take the address that its guests go out by: this one, or any that is free."""
    if network.vpc_id is not None:
        raise NotAllowed(f"network {network.name} is a tier: its VPC has the source NAT address")
    require(network, "SourceNat", "source NAT")
    return take_public(
        at,
        uuid5(network.id, f"source-nat/{network.version}"),
        account_id=network.account_id,
        domain_id=network.domain_id,
        zone_id=network.zone_id,
        wanted=wanted,
        network_id=network.id,
        is_source_nat=True,
    )


def begin_router(at: At, network: Network, public_ip: str) -> UUID | None:
    """A router, if the virtual router provides anything on this network.

    It is the gateway of an isolated network, and one machine more on a shared one: none where that
    has no address left for it. Its id follows from the version of the network, which changes in
    the same commit.
    """
    if not any("VirtualRouter" in providers for providers in network.services.values()):
        return None
    router_id = uuid5(network.id, f"router/{network.version}")
    is_shared = network.guest_ip_type == "Shared"
    guest_ip = _own_address(at, router_id, network) if is_shared else network.gateway
    if is_shared and not guest_ip:
        return None
    fields: dict[str, Any] = {
        "network_id": network.id,
        "guest_ip": guest_ip,
        "public_ip": public_ip,
    }
    create_router(at, router_id, network, **fields)
    return router_id


def _own_address(at: At, router_id: UUID, network: Network) -> str:
    """The last address of the network that is free: guests have the first ones. Empty for none, and
    where the network has no subnet of its own, as in a Basic zone."""
    numbers = at.cloud.view(Addresses).ranges.get(space_of(network.id))
    if numbers is None:
        return ""
    for number in range(numbers.space.last, numbers.space.first - 1, -1):
        if not numbers.is_taken(number):
            return take_ip(at, router_id, router_id, network, ip4_text(number))
    return ""


def _goes_out(at: At, of: Network) -> bool:
    """Do guests go out by one address, in a zone that has public addresses at all?"""
    has_any = next(public_ranges(at.cloud, of.zone_id), None) is not None
    return "SourceNat" in of.services and has_any


def create_router(at: At, router_id: UUID, of: Any, **fields: Any) -> None:
    """A router for a network or a VPC, owned by who owns that."""
    sizes = at.cloud[service_offerings]
    size = next((one.id for one in sizes if one.system_vm_type == ROUTER_SIZE), None)
    made = {
        "name": f"r-{str(router_id)[:8]}-VM",
        "account_id": of.account_id,
        "domain_id": of.domain_id,
        "zone_id": of.zone_id,
        "service_offering_id": size,
    }
    at.create(router_id, RECORDS["router"].create(made | fields))


def end_router(at: At, router: Router) -> None:
    """The router is gone, and the address that it had among guests' is free."""
    free_ip(at, router.id)
    at.change(router, RECORDS["router"].removed())


def routers_of(at: At, network: Network) -> list[Router]:
    """What serves a network."""
    return list(at.cloud[routers].by("network_id", network.id))
