"""An invitation into a project, which its account or user accepts or declines."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "project_invitation",
    references={
        "project_id": "project",
        "account_id": "account",
        "user_id": "user",
        "project_role_id": "project_role",
    },
)
class ProjectInvitation(Aggregate):
    """`state` is Pending, Completed or Declined; one that nobody answered in time is Expired."""

    project_id: UUID
    account_id: UUID
    domain_id: UUID
    user_id: UUID | None = None
    role: str = "Regular"
    project_role_id: UUID | None = None
    state: str = "Pending"
    expires_at_ms: int = 0
