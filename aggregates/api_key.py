"""An API key: how a program signs for a user."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record("api_key", unique=("key",), references={"user_id": "user"})
class ApiKey(Aggregate):
    """`key` is public and travels in requests; the secret half is sealed under `secret_ref`."""

    key: str
    user_id: UUID
    secret_ref: str
    name: str = ""
