"""A user: a person or a program that signs in, always of one account."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "user",
    unique=(("domain_id", "name"),),
    references={"account_id": "account", "domain_id": "domain"},
)
class User(Aggregate):
    """`name` is what it signs in with; `password_ref` points into the sealed store."""

    name: str
    account_id: UUID
    domain_id: UUID
    password_ref: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    timezone: str = ""
    state: str = "enabled"
