"""A host on which a router runs, or where something of it may still be.

It is in the log before the host is told of the router, and leaves it once the host has said that
nothing of the router is left: so whatever a crash leaves behind is known, and where.
"""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record("router_place")
class RouterPlace(Aggregate):
    """None of these is a reference: each may be gone before the place is.

    `serves_id` is the network or VPC that the router was for.
    """

    router_id: UUID
    host_id: UUID
    serves_id: UUID | None = None
