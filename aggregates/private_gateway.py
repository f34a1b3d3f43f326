"""A private gateway: a VPC's way into a network that is not the cloud's, and routes through it."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record

_OWNER = {"account_id": "account", "domain_id": "domain", "vpc_id": "vpc"}


@record(
    "private_gateway",
    references=_OWNER
    | {
        "zone_id": "zone",
        "physical_network_id": "physical_network",
        "network_acl_id": "network_acl",
        "associated_network_id": "network",
    },
)
class PrivateGateway(Aggregate):
    """The VPC has `ip_address` on that network, and `gateway` is the next router there.

    `vlan` is empty where the network is one of the cloud's own, `associated_network_id`.
    """

    account_id: UUID
    domain_id: UUID
    vpc_id: UUID
    zone_id: UUID
    gateway: str
    netmask: str
    ip_address: str
    network_acl_id: UUID
    vlan: str = ""
    physical_network_id: UUID | None = None
    associated_network_id: UUID | None = None
    source_nat: bool = False
    shares_vlan: bool = False
    state: str = "Ready"


@record("static_route", references=_OWNER | {"private_gateway_id": "private_gateway"})
class StaticRoute(Aggregate):
    """Packets of a VPC to `cidr` go to `next_hop`: a private gateway's router, or one of a tier."""

    account_id: UUID
    domain_id: UUID
    vpc_id: UUID
    cidr: str
    next_hop: str
    private_gateway_id: UUID | None = None
    state: str = "Active"
