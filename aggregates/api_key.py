"""An API key: how a program signs for a user."""

from __future__ import annotations

from uuid import UUID

import msgspec

from aggregates.base import Aggregate
from aggregates.record import record


@record("api_key", unique=("key",), references={"user_id": "user"})
class ApiKey(Aggregate):
    """`key` is public and travels in requests; the secret half is sealed under `secret_ref`.

    `rules` narrow what it may do, first match wins; none narrows nothing. `is_main` is the one key
    that registerUserKeys replaces; a user may have others beside it.
    """

    key: str
    user_id: UUID
    secret_ref: str
    name: str = ""
    description: str = ""
    rules: list[tuple[str, bool]] = msgspec.field(default_factory=list)
    expires_at_ms: int | None = None
    is_main: bool = True
