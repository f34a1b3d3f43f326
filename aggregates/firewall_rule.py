"""What a public address lets in from the outside."""

from __future__ import annotations

from uuid import UUID

import msgspec

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "firewall_rule",
    references={"ip_address_id": "public_ip_address", "network_id": "network"},
)
class FirewallRule(Aggregate):
    """Without ports it is about all of them; `icmp_type` and `icmp_code` are -1 for any.

    `opened_for` is the rule that it was made for and goes with. A System rule is an
    administrator's: its owner cannot remove it.
    """

    ip_address_id: UUID
    network_id: UUID
    account_id: UUID
    domain_id: UUID
    protocol: str
    start_port: int | None = None
    end_port: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    cidrs: list[str] = msgspec.field(default_factory=list)
    kind: str = "User"
    opened_for: UUID | None = None
    is_displayed: bool = True
    state: str = "Active"
