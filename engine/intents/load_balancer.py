"""What may be asked of a load balancer inside a network."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from engine.intents.ending import THINGS, ending


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateLoadBalancer:
    """`source_ip` is an address of the network, or empty for the lowest free one.

    A load balancer that has the address already takes one more port; else `router_id` begins.
    """

    id: UUID
    router_id: UUID
    network_id: UUID
    source_network_id: UUID
    name: str
    description: str
    source_ip: str
    source_port: int
    instance_port: int
    algorithm: str
    is_displayed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveLoadBalancer:
    """The last one of an address gives the address back."""

    id: UUID


ending("load_balancer", lambda row: RemoveLoadBalancer(id=row.id), turn=THINGS - 10)
