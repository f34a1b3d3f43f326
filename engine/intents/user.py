"""What may be asked about users that touches the sealed store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from engine.intents.ending import PEOPLE, ending


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeUser:
    """Change a user's fields; a password that is replaced is shredded."""

    user_id: UUID
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RekeyUser:
    """Give a user a new main API key in place of the one that it has, which is shredded."""

    user_id: UUID
    key_id: UUID
    key: str
    secret_ref: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCode:
    """A code of the second factor that is sealed under `ref`, of the half minute `counter`."""

    user_id: UUID
    ref: str
    counter: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveUser:
    """Let a user act for another account of its domain."""

    user_id: UUID
    account_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteKey:
    """Delete an API key, and shred its secret half."""

    key_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteUser:
    """Delete a user and its keys, and shred what they were sealed under."""

    user_id: UUID


ending("user", lambda user: DeleteUser(user_id=user.id), turn=PEOPLE)
