"""A type of traffic on a physical network: Guest, Management, Public or Storage."""

from __future__ import annotations

from uuid import UUID

import msgspec

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "traffic_type",
    unique=(("physical_network_id", "traffic_type"),),
    references={"physical_network_id": "physical_network"},
)
class TrafficType(Aggregate):
    """`labels` says per hypervisor, in lower case, which bridge or port group carries it."""

    physical_network_id: UUID
    traffic_type: str
    vlan: str = ""
    isolation_method: str = ""
    labels: dict[str, str] = msgspec.field(default_factory=dict)
