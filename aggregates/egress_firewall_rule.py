"""What the guests of a network may reach outside, or may not, by the default of its offering."""

from __future__ import annotations

from uuid import UUID

import msgspec

from aggregates.base import Aggregate
from aggregates.record import record


@record("egress_firewall_rule", references={"network_id": "network"})
class EgressFirewallRule(Aggregate):
    """Where the offering lets everything out a rule forbids; else it allows."""

    network_id: UUID
    account_id: UUID
    domain_id: UUID
    protocol: str
    start_port: int | None = None
    end_port: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    cidrs: list[str] = msgspec.field(default_factory=list)
    dest_cidrs: list[str] = msgspec.field(default_factory=list)
    kind: str = "User"
    is_displayed: bool = True
    state: str = "Active"
