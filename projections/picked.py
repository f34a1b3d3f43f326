"""Rows that were picked from a table: their numbers, and each row when it is looked at.

Who only counts rows, or shows answers that are kept, never looks at one. What is gone by the time
that it is looked at is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar, overload

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Numbered(Protocol[R_co]):
    """What holds a row for each number."""

    @property
    def rows(self) -> Any: ...
    def at(self, number: int, /) -> R_co: ...
    def look(self, number: int, /) -> R_co: ...
    def glance(self, number: int, /) -> Any: ...
    def created_at_ms(self, number: int, /) -> int: ...


class Looking(Generic[R]):
    """A table as it is read by who keeps no row: see `Table.look`."""

    __slots__ = ("at", "created_at_ms", "glance", "look", "rows")

    def __init__(self, table: Numbered[R]) -> None:
        self.rows = table.rows
        self.at = self.look = table.look
        self.glance, self.created_at_ms = table.glance, table.created_at_ms


class Picked(Sequence[R], Generic[R]):
    """Some rows of a table, in an order. `numbers` are those of their ids."""

    __slots__ = ("numbers", "table")

    def __init__(self, table: Numbered[R], numbers: Sequence[int]) -> None:
        self.table, self.numbers = table, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[R]:
        rows, at = self.table.rows, self.table.at
        return (at(number) for number in self.numbers if number in rows)

    @overload
    def __getitem__(self, place: int) -> R: ...
    @overload
    def __getitem__(self, place: slice) -> Picked[R]: ...
    def __getitem__(self, place: int | slice) -> R | Picked[R]:
        if isinstance(place, slice):
            return Picked(self.table, self.numbers[place])
        return self.table.at(self.numbers[place])

    def looked_at(self) -> Picked[R]:
        """The same, for who reads each row at once and keeps none."""
        return Picked(Looking(self.table), self.numbers)

    def passing(self, tests: Iterable[Callable[[R], bool]]) -> Picked[R]:
        """Those that pass all tests; without any, none is looked at."""
        asked = tuple(tests)
        if not asked:
            return Picked(self.table, list(self.numbers))
        rows, glance = self.table.rows, self.table.glance
        found = [
            number
            for number in self.numbers
            if number in rows and all(test(row) for row in (glance(number),) for test in asked)
        ]
        return Picked(self.table, found)
