"""Ports that a public address with static NAT lets through to its guest."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "ip_forwarding_rule",
    references={"ip_address_id": "public_ip_address", "network_id": "network", "vm_id": "vm"},
)
class IpForwardingRule(Aggregate):
    ip_address_id: UUID
    network_id: UUID
    account_id: UUID
    domain_id: UUID
    protocol: str
    start_port: int
    end_port: int
    vm_id: UUID
    state: str = "Active"
