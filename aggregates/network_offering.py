"""A network offering: which services a network has and who provides them."""

from __future__ import annotations

from uuid import UUID

import msgspec

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "network_offering",
    unique=("name",),
    references={"service_offering_id": "service_offering"},
)
class NetworkOffering(Aggregate):
    """`services` maps a service (Dhcp, SourceNat, ...) to its providers.

    `capabilities` say how a service is provided: `SourceNat.RedundantRouter` is `true`.
    """

    name: str
    guest_ip_type: str
    traffic_type: str = "Guest"
    display_text: str = ""
    services: dict[str, list[str]] = msgspec.field(default_factory=dict)
    state: str = "Disabled"
    availability: str = "Optional"
    is_default: bool = False
    specify_vlan: bool = False
    specify_ip_ranges: bool = False
    conserve_mode: bool = True
    is_persistent: bool = False
    egress_default_allow: bool = False
    for_vpc: bool = False
    network_rate_mbps: int | None = None
    max_connections: int | None = None
    tags: str = ""
    internet_protocol: str = "IPv4"
    domain_ids: list[UUID] = msgspec.field(default_factory=list)
    zone_ids: list[UUID] = msgspec.field(default_factory=list)
    details: dict[str, str] = msgspec.field(default_factory=dict)
    capabilities: dict[str, str] = msgspec.field(default_factory=dict)
    service_offering_id: UUID | None = None
    keepalive_enabled: bool = False
    network_mode: str = "NATTED"
    routing_mode: str = ""
    sort_key: int = 0
