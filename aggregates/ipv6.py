"""IPv6 for guest networks: prefixes that are shared out, and what may reach guests by it."""

from __future__ import annotations

from uuid import UUID

import msgspec

from aggregates.base import Aggregate
from aggregates.record import record

# Guests find their own addresses in a subnet of this size (RFC 4862).
SUBNET_BITS = 64


@record("guest_ipv6_prefix", unique=(("zone_id", "prefix"),), references={"zone_id": "zone"})
class GuestIpv6Prefix(Aggregate):
    """Isolated networks of a zone that speak both protocols each take a /64 of its prefixes."""

    zone_id: UUID
    prefix: str


@record("ipv6_firewall_rule", references={"network_id": "network"})
class Ipv6FirewallRule(Aggregate):
    """Lets one kind of IPv6 traffic reach the guests of a network, or leave it."""

    network_id: UUID
    account_id: UUID
    domain_id: UUID
    protocol: str
    traffic_type: str = "Ingress"
    start_port: int | None = None
    end_port: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    cidrs: list[str] = msgspec.field(default_factory=list)
    dest_cidrs: list[str] = msgspec.field(default_factory=list)
    is_displayed: bool = True
    state: str = "Active"
