"""A range of addresses of a pod's storage network."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "storage_network_ip_range",
    references={"zone_id": "zone", "pod_id": "pod", "physical_network_id": "physical_network"},
)
class StorageNetworkIpRange(Aggregate):
    zone_id: UUID
    pod_id: UUID
    physical_network_id: UUID
    gateway: str
    netmask: str
    start_ip: str
    end_ip: str
    vlan: int | None = None
