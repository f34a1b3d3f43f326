"""A router: what serves a guest network or a VPC, or balances load inside one.

That of a network runs on a host, where the zone has hosts that can run it (`engine/routing`). Any
other is a record: its states are moved by what operators ask, and nothing runs behind it.
"""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "router",
    references={
        "account_id": "account",
        "domain_id": "domain",
        "zone_id": "zone",
        "network_id": "network",
        "vpc_id": "vpc",
        "service_offering_id": "service_offering",
    },
)
class Router(Aggregate):
    """`role` is VIRTUAL_ROUTER or INTERNAL_LB_VM. `public_ip` is where its guests go out.

    `started_at_ms` is when an operator started or restarted it last; 0 for never. `host_id` is
    where it runs, and `trouble` why it is not all that its network's rules ask for, since
    `known_at_ms`; empty if it is, and 0 as long as its host has not been told.
    """

    name: str
    account_id: UUID
    domain_id: UUID
    zone_id: UUID
    network_id: UUID | None = None
    vpc_id: UUID | None = None
    role: str = "VIRTUAL_ROUTER"
    guest_ip: str = ""
    public_ip: str = ""
    service_offering_id: UUID | None = None
    state: str = "Running"
    started_at_ms: int = 0
    host_id: UUID | None = None
    trouble: str = ""
    known_at_ms: int = 0


def serves(router: Router) -> UUID | None:
    """What it is the router of: a network or a VPC."""
    return router.network_id or router.vpc_id
