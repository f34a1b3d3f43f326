"""Rows that hang on another row and are gone with it: tags, notes, icons, limits.

The event that ends the thing says it all, so what hung on it needs no ends of its own. A change of
such a row guards the thing, so that none can come after the thing's end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from aggregates.base import Aggregate, Event, Recorded
from projections.table import Table, TableSpec

R = TypeVar("R", bound=Aggregate)


class Attached(Table[R]):
    """`on` is the indexed attribute that names what a row hangs on."""

    def __init__(self, spec: TableSpec[R], on: str = "resource_id") -> None:
        super().__init__(spec)
        assert on in spec.indexed, f"{spec.kind} hangs on {on}, which is not indexed"
        self.on = on

    def defer(self) -> None:
        """What hangs on a thing is found by its index when the thing ends, in the past as well."""

    def past(self, kind: type[Event]) -> Callable[[Recorded], None]:
        return self.fold

    def fold(self, recorded: Recorded) -> None:
        """An event about a row that went with its thing says nothing any more."""
        if recorded.event.CREATES is not None or recorded.stream.int in self.rows:
            super().fold(recorded)

    def drop(self, thing_id: UUID) -> None:
        """Nothing hangs on this thing any more."""
        for row in list(self.by(self.on, thing_id)):
            self.discard(row.id)
