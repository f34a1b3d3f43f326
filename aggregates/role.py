"""A role: what its accounts may do."""

from __future__ import annotations

from aggregates.base import Aggregate
from aggregates.record import record


@record("role", unique=("name",))
class Role(Aggregate):
    """`role_type` is Admin, ResourceAdmin, DomainAdmin or User; a default role cannot change."""

    name: str
    role_type: str
    description: str = ""
    is_default: bool = False
    is_public: bool = True
