"""A domain: a node of the tree that accounts live in."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record("domain", unique=(("parent_id", "name"),), references={"parent_id": "domain"})
class Domain(Aggregate):
    """`path` is `/` for the root and `/a/b` below it; it is settled when the domain is made."""

    name: str
    path: str
    level: int
    parent_id: UUID | None = None
    network_domain: str = ""
    state: str = "Active"
