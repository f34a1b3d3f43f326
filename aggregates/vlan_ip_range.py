"""A range of public or shared-guest addresses with the VLAN they live on."""

from __future__ import annotations

from ipaddress import IPv4Address
from uuid import UUID

from aggregates.base import Aggregate
from aggregates.ids import uuid5
from aggregates.record import record


@record(
    "vlan_ip_range",
    references={
        "zone_id": "zone",
        "physical_network_id": "physical_network",
        "network_id": "network",
        "pod_id": "pod",
    },
)
class VlanIpRange(Aggregate):
    """Its addresses are handed out from its address space, `space_of(id)`."""

    zone_id: UUID
    gateway: str
    netmask: str
    start_ip: str
    end_ip: str
    vlan: str = "untagged"
    physical_network_id: UUID | None = None
    network_id: UUID | None = None
    pod_id: UUID | None = None
    for_virtual_network: bool = True
    account_id: UUID | None = None
    domain_id: UUID | None = None
    ip6_gateway: str = ""
    ip6_cidr: str = ""
    start_ip6: str = ""
    end_ip6: str = ""

    def holds(self, address: str) -> bool:
        """Is this an address of the range?"""
        first, last = IPv4Address(self.start_ip), IPv4Address(self.end_ip)
        return first <= IPv4Address(address) <= last


def space_of(range_id: UUID) -> UUID:
    """The address space of a range: a stream of its own, since it is another thing."""
    return uuid5(range_id, "addresses")
