"""What may be asked about users that touches the sealed store."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct

from engine.intents.ending import PEOPLE, ending


class ChangeUser(Struct, frozen=True, kw_only=True):
    """Change a user's fields; a password that is replaced is shredded."""

    user_id: UUID
    fields: dict[str, Any]


class RekeyUser(Struct, frozen=True, kw_only=True):
    """Give a user a new main API key in place of the one that it has, which is shredded."""

    user_id: UUID
    key_id: UUID
    key: str
    secret_ref: str


class UseCode(Struct, frozen=True, kw_only=True):
    """A code of the second factor that is sealed under `ref`, of the half minute `counter`."""

    user_id: UUID
    ref: str
    counter: int


class MoveUser(Struct, frozen=True, kw_only=True):
    """Let a user act for another account of its domain."""

    user_id: UUID
    account_id: UUID


class DeleteKey(Struct, frozen=True, kw_only=True):
    """Delete an API key, and shred its secret half."""

    key_id: UUID


class DeleteUser(Struct, frozen=True, kw_only=True):
    """Delete a user and its keys, and shred what they were sealed under."""

    user_id: UUID


ending("user", lambda user: DeleteUser(user_id=user.id), turn=PEOPLE)
