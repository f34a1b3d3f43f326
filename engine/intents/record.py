"""Make, change or remove one thing that is only data. `fields` are checked against its record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRecord:
    kind: str
    id: UUID
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRecord:
    """Only what differs becomes an event; nothing differs, nothing happens."""

    kind: str
    id: UUID
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveRecord:
    """Refused while anything refers to it."""

    kind: str
    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """Several intents, decided in order and committed as one: all of them, or none."""

    asks: tuple[Any, ...]
