"""Ports of a public address that lead to ports of one guest."""

from __future__ import annotations

from uuid import UUID

import msgspec

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "port_forwarding_rule",
    references={"ip_address_id": "public_ip_address", "network_id": "network", "vm_id": "vm"},
)
class PortForwardingRule(Aggregate):
    """`start_port` to `end_port` are the public ones; the private range is as long."""

    ip_address_id: UUID
    network_id: UUID
    account_id: UUID
    domain_id: UUID
    protocol: str
    start_port: int
    end_port: int
    private_start_port: int
    private_end_port: int
    vm_id: UUID
    vm_ip: str
    cidrs: list[str] = msgspec.field(default_factory=list)
    is_displayed: bool = True
    state: str = "Active"
