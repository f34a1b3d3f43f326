"""Events of a toy noun for the log's own tests, and short ways to append them."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from msgspec import Struct

from aggregates.base import Event, event
from engine.log import Append, Unit


class Part(Struct, frozen=True):
    name: str
    size_bytes: int


@event("logtoy.made")
class Made(Event, frozen=True):
    name: str


@event("logtoy.filled")
class Filled(Event, frozen=True):
    owner: UUID
    ratio: float
    count: int
    on: bool
    tags: list[str]
    notes: dict[str, str]
    part: Part


def _rename(fields: dict[str, Any]) -> dict[str, Any]:
    fields["memory_mib"] = fields.pop("memory")
    return fields


def _split(fields: dict[str, Any]) -> dict[str, Any]:
    return fields | {"cpu_count": 1}


@event("logtoy.sized", version=3, upcasts={1: _rename, 2: _split})
class Sized(Event, frozen=True):
    memory_mib: int
    cpu_count: int


def made(stream: UUID, expected: int, *names: str) -> Append:
    return Append(stream, expected, tuple(Made(name=name) for name in names))


def unit(stream: UUID | None = None, expected: int = 0, *names: str) -> Unit:
    """One append of toys to one stream, a new one by default."""
    return Unit((made(stream or uuid4(), expected, *(names or ("a",))),))
