"""What may be asked of a load balancer inside a network."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from engine.intents.ending import THINGS, ending


class CreateLoadBalancer(Struct, frozen=True, kw_only=True):
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


class RemoveLoadBalancer(Struct, frozen=True, kw_only=True):
    """The last one of an address gives the address back."""

    id: UUID


ending("load_balancer", lambda row: RemoveLoadBalancer(id=row.id), turn=THINGS - 10)
