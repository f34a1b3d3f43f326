"""Make, change or remove one thing that is only data. `fields` are checked against its record."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct, field


class CreateRecord(Struct, frozen=True, kw_only=True):
    kind: str
    id: UUID
    fields: dict[str, Any] = field(default_factory=dict)


class UpdateRecord(Struct, frozen=True, kw_only=True):
    """Only what differs becomes an event; nothing differs, nothing happens."""

    kind: str
    id: UUID
    fields: dict[str, Any] = field(default_factory=dict)


class RemoveRecord(Struct, frozen=True, kw_only=True):
    """Refused while anything refers to it."""

    kind: str
    id: UUID


class Together(Struct, frozen=True, kw_only=True):
    """Several intents, decided in order and committed as one: all of them, or none."""

    asks: tuple[Any, ...]
