"""A load balancer inside a network: an address of the network whose connections guests share."""

from __future__ import annotations

from uuid import UUID

import msgspec

from aggregates.base import Aggregate
from aggregates.load_balancer_rule import Member
from aggregates.record import record


@record(
    "load_balancer",
    references={"network_id": "network", "source_network_id": "network", "router_id": "router"},
)
class LoadBalancer(Aggregate):
    """`source_ip` is the address, held by the router that balances: several ports may share it."""

    name: str
    account_id: UUID
    domain_id: UUID
    network_id: UUID
    source_network_id: UUID
    router_id: UUID
    source_ip: str
    source_port: int
    instance_port: int
    algorithm: str
    description: str = ""
    members: list[Member] = msgspec.field(default_factory=list)
    is_displayed: bool = True
    state: str = "Active"
