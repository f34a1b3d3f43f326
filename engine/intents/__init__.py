"""What may be asked of the engine: pure data that the API builds and decisions and sagas consume.

Every choice (ids, names, sizes) is settled in an intent, so that the work can be repeated from it.
"""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct


class By(Struct, frozen=True, kw_only=True):
    """On whose behalf. `action` is the event that the caller sees (`VM.CREATE`)."""

    user_id: UUID | None = None
    account_id: UUID | None = None
    action: str = ""
    command: str = ""
    idempotency_key: str = ""


SYSTEM = By(action="SYSTEM")


class Job(Struct, frozen=True):
    """A saga that was accepted: its id, and the id of what it works on."""

    id: UUID
    subject: UUID | None = None
