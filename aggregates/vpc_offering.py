"""A VPC offering: which services the tiers of a VPC can have, and who provides them."""

from __future__ import annotations

from uuid import UUID

import msgspec

from aggregates.base import Aggregate
from aggregates.record import record


@record("vpc_offering", unique=("name",), references={"service_offering_id": "service_offering"})
class VpcOffering(Aggregate):
    """`services` maps a service to its providers, as in a network offering."""

    name: str
    display_text: str = ""
    services: dict[str, list[str]] = msgspec.field(default_factory=dict)
    state: str = "Disabled"
    is_default: bool = False
    is_redundant: bool = False
    is_distributed: bool = False
    is_region_level: bool = False
    internet_protocol: str = "IPv4"
    network_mode: str = "NATTED"
    routing_mode: str = ""
    service_offering_id: UUID | None = None
    domain_ids: list[UUID] = msgspec.field(default_factory=list)
    zone_ids: list[UUID] = msgspec.field(default_factory=list)
    sort_key: int = 0
