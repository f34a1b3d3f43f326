"""A member of a project: a whole account, or one user of it."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "project_member",
    unique=(("project_id", "account_id", "user_id"),),
    references={
        "project_id": "project",
        "account_id": "account",
        "user_id": "user",
        "project_role_id": "project_role",
    },
)
class ProjectMember(Aggregate):
    """`role` is Admin for an owner and Regular for others; a project role narrows the latter."""

    project_id: UUID
    account_id: UUID
    user_id: UUID | None = None
    role: str = "Regular"
    project_role_id: UUID | None = None
