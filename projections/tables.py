"""The tables of a cloud, by what they hold.

Folds that read tables have these and not the cloud, which has the folds: nothing here refers back,
so a past cloud that nobody has any more is freed at once, without a walk of the collector.
"""

from __future__ import annotations

from typing import Any, TypeVar

from aggregates.base import Aggregate
from projections.table import Table, TableSpec

R = TypeVar("R", bound=Aggregate)


class Tables:
    def __init__(self, tables: dict[str, Table[Any]]) -> None:
        self._tables = tables
        self._by_spec: dict[Any, Any] = {one.spec: one for one in tables.values()}

    def __getitem__(self, spec: TableSpec[R]) -> Table[R]:
        found: Table[R] = self._by_spec[spec]
        return found

    def table(self, kind: str) -> Table[Any]:
        """A table by the name of its noun; KeyError for one without."""
        return self._tables[kind]
