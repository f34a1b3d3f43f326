"""A project: things that several accounts and users share, owned by an account of its own."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "project",
    unique=(("domain_id", "name"),),
    references={"account_id": "account", "domain_id": "domain"},
)
class Project(Aggregate):
    """`account_id` owns what the project has; nobody signs in for it. `state` is Active, Suspended
    or Disabled; `ending` is the job that deletes it."""

    name: str
    account_id: UUID
    domain_id: UUID
    display_text: str = ""
    state: str = "Active"
    ending: UUID | None = None


OWNER, REGULAR = "Admin", "Regular"
