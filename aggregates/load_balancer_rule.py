"""A port of a public address whose connections are spread over guests."""

from __future__ import annotations

from uuid import UUID

import msgspec

from aggregates.base import Aggregate
from aggregates.record import record


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A guest that takes connections, at one of its addresses."""

    vm_id: UUID
    ip: str


@record(
    "load_balancer_rule",
    references={
        "ip_address_id": "public_ip_address",
        "network_id": "network",
        "zone_id": "zone",
        "ssl_cert_id": "ssl_cert",
    },
)
class LoadBalancerRule(Aggregate):
    """`start_port` and `end_port` are the one public port, named as other rules name theirs."""

    name: str
    ip_address_id: UUID
    network_id: UUID
    account_id: UUID
    domain_id: UUID
    zone_id: UUID
    algorithm: str
    start_port: int
    end_port: int
    private_port: int
    protocol: str = "tcp"
    description: str = ""
    cidrs: list[str] = msgspec.field(default_factory=list)
    members: list[Member] = msgspec.field(default_factory=list)
    ssl_cert_id: UUID | None = None
    is_displayed: bool = True
    state: str = "Active"
