"""A router: what serves a guest network or a VPC, or balances load inside one.

For now it is a record: its states are moved by what operators ask, and no guest runs behind it.
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

    `started_at_ms` is when an operator started or restarted it last; 0 for never.
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
