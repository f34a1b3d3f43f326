"""A project role: what a member of one project may do in it."""

from __future__ import annotations

from uuid import UUID

import msgspec

from aggregates.base import Aggregate
from aggregates.record import record


@record("project_role", unique=(("project_id", "name"),), references={"project_id": "project"})
class ProjectRole(Aggregate):
    """`rules` are a pattern, yes or no, and a description each; the first that fits decides.

    A role without rules narrows nothing; with rules, what none of them fits is denied.
    """

    project_id: UUID
    project_account_id: UUID
    domain_id: UUID
    name: str
    description: str = ""
    rules: list[tuple[str, bool, str]] = msgspec.field(default_factory=list)
