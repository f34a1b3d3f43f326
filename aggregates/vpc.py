"""A virtual private cloud: one address range that its owner divides into networks, the tiers."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "vpc",
    references={
        "account_id": "account",
        "domain_id": "domain",
        "zone_id": "zone",
        "offering_id": "vpc_offering",
    },
)
class Vpc(Aggregate):
    """`services` are the offering's when it was made. Inactive means that it was not started."""

    name: str
    display_text: str
    account_id: UUID
    domain_id: UUID
    zone_id: UUID
    offering_id: UUID
    cidr: str
    services: dict[str, list[str]]
    network_domain: str = ""
    dns1: str = ""
    dns2: str = ""
    ip6_dns1: str = ""
    ip6_dns2: str = ""
    public_mtu: int = 1500
    is_redundant: bool = False
    is_displayed: bool = True
    state: str = "Enabled"
    restart_required: bool = False
