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
    """Neither is a reference: the router may be gone before its place, and the host too."""

    router_id: UUID
    host_id: UUID
