"""One object for equal ids, as far as they are alive: a zone's id is in every row of its guests.

Decoding makes each id anew, a hundred bytes a time; a guest's row names a dozen that others name
as well. What was seen lately is remembered, no more than `KEPT`, so the memory of it is bounded.
"""

from __future__ import annotations

from functools import cache
from typing import get_type_hints
from uuid import UUID

from aggregates.base import Aggregate

KEPT = 1 << 16
_known: dict[UUID, UUID] = {}


def shared(value: UUID) -> UUID:
    """The object that stands for this id."""
    found = _known.get(value)
    if found is None:
        if len(_known) >= KEPT:
            _known.clear()
        found = _known[value] = value
    return found


def share_ids(row: Aggregate) -> None:
    """Let a row hold the ids that others hold already."""
    for name in _ids_of(type(row)):
        value = getattr(row, name)
        if value is not None:
            setattr(row, name, shared(value))


@cache
def _ids_of(kind: type[Aggregate]) -> tuple[str, ...]:
    """The attributes of a kind of rows that hold an id."""
    hints = get_type_hints(kind)
    return tuple(name for name, hint in hints.items() if hint in (UUID, UUID | None))
