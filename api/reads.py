"""The cloud as a view reads it while it is made: whatever it reads of it is noted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any
from uuid import UUID

from projections.cloud import Cloud
from projections.picked import Picked
from projections.table import Table, TableSpec
from projections.vitals import Vitals

Pattern = tuple[str, ...]
Key = tuple[Pattern, Any]

WHOLE = "whole"
"""What stands for all rows of a table in place of one's id."""
PLAIN = (str, int, float, bool, UUID, type(None), Enum)
"""Values that cannot change by themselves: rows do, and what they hold may."""
UNMEASURED = Vitals()
NOTHING: dict[Key, Any] = {}


class Common:
    """A row that several answers show, as they show it: its attributes that any of them has read.

    A row changes in many ways that hardly any answer shows. While the attributes that were read
    are what they were, all that was made from them is right. `numbers` are those that show it, or
    None for more than are worth noting.
    """

    __slots__ = ("__dict__", "_source", "numbers")

    def __init__(self, table: Table[Any], row_id: UUID) -> None:
        self._source = (table, row_id)
        self.numbers: tuple[int, ...] | None = ()

    def __getattr__(self, name: str) -> Any:
        """An attribute that is read for the first time; from then on the instance has it."""
        table, row_id = self._source
        value = getattr(table.look(row_id.int), name)
        self.__dict__[name] = value
        return value

    def still_holds(self) -> bool:
        """Is the row still there, and everything that was read of it as it was?"""
        table, row_id = self._source
        if row_id not in table:
            return False
        row, seen = table.look(row_id.int), self.__dict__
        return all(
            isinstance(value, PLAIN) and getattr(row, name) == value for name, value in seen.items()
        )


class Reads:
    """What a view read while it was made.

    `common` has the rows that several answers of this view show by now. Where measurements are
    shown apart from what is made here (`View.MEASURED`), there are none to be read.
    """

    def __init__(
        self, cloud: Cloud, common: Mapping[Key, Any] = NOTHING, *, measured_apart: bool = False
    ) -> None:
        self.cloud = cloud
        self.keys: set[Key] = set()
        self.lasting = True
        self._common = common
        if measured_apart:
            self.vitals = UNMEASURED

    def __getitem__(self, spec: TableSpec[Any]) -> Any:
        return self._noted(self.cloud[spec])

    def table(self, kind: str) -> Any:
        return self._noted(self.cloud.table(kind))

    def _noted(self, table: Any) -> Any:
        """A table that notes what is read of it; what only stands for a table is read unseen."""
        if isinstance(table, Table):
            return ReadTable(table, self.keys, self._common)
        self.lasting = False
        return table

    def __getattr__(self, name: str) -> Any:
        """Anything else, such as the position, is another one at the next event."""
        self.lasting = False
        return getattr(self.cloud, name)


class ReadTable:
    """A table that notes which of its rows and index entries were asked for.

    A view keeps none of them, so they are only looked at.
    """

    def __init__(self, table: Table[Any], keys: set[Key], common: Mapping[Key, Any]) -> None:
        self._table, self._keys, self._common = table, keys, common
        self.spec = table.spec

    def get(self, row_id: UUID | None) -> Any:
        if row_id is None:
            return None
        key = ((self.spec.kind,), row_id)
        self._keys.add(key)
        common = self._common.get(key)
        if type(common) is Common:
            return common
        return self._table.look(row_id.int) if row_id in self._table else None

    def __getitem__(self, row_id: UUID) -> Any:
        found = self.get(row_id)
        if found is None:
            raise KeyError(row_id)
        return found

    def __contains__(self, row_id: object) -> bool:
        self._keys.add(((self.spec.kind,), row_id))
        return row_id in self._table

    def by(self, attribute: str, value: object) -> Iterable[Any]:
        self._keys.add(((self.spec.kind, attribute), value))
        return self._table.by(attribute, value).looked_at()

    def both(
        self, one: str, value: object, other: str, wanted: Callable[[Any], bool]
    ) -> Picked[Any]:
        """What changes in any of the rows with this value of `one` is noted, as `by` notes it."""
        self._keys.add(((self.spec.kind, one), value))
        return self._table.both(one, value, other, wanted).looked_at()

    def one(self, attribute: str, value: object) -> Any:
        return next(iter(self.by(attribute, value)), None)

    def by_text(self, attribute: str, text: str) -> Iterable[Any]:
        self._keys.add(((self.spec.kind,), WHOLE))
        return self._table.by_text(attribute, text).looked_at()

    def __iter__(self) -> Iterator[Any]:
        self._keys.add(((self.spec.kind,), WHOLE))
        return self._table.each()

    def __len__(self) -> int:
        self._keys.add(((self.spec.kind,), WHOLE))
        return len(self._table)
