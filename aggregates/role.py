"""A role: what its accounts may do."""

from __future__ import annotations

import msgspec

from aggregates.base import Aggregate
from aggregates.record import record


@record("role", unique=("name",))
class Role(Aggregate):
    """`role_type` is Admin, ResourceAdmin, DomainAdmin or User; a default role cannot change.

    `rules` pairs a pattern of command names with yes or no, first match wins; a default role has
    none and may do what its type may. `notes` say of a pattern why it is there. Who has a disabled
    role may do nothing.
    """

    name: str
    role_type: str
    description: str = ""
    is_default: bool = False
    is_public: bool = True
    state: str = "enabled"
    rules: list[tuple[str, bool]] = msgspec.field(default_factory=list)
    notes: dict[str, str] = msgspec.field(default_factory=dict)
