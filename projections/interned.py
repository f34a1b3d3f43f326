"""Small numbers for things that repeat."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

V = TypeVar("V", bound=Hashable)


class Interned(Generic[V]):
    """Each value once, in the order in which they came; a column of their numbers compares fast."""

    def __init__(self, values: Iterable[V] = ()) -> None:
        self.values: list[V] = list(values)
        self._numbers: dict[Hashable, int] = {value: at for at, value in enumerate(self.values)}

    def number(self, value: V) -> int:
        known = self._numbers.get(value)
        if known is None:
            known = self._numbers[value] = len(self.values)
            self.values.append(value)
        return known

    def find(self, value: Hashable) -> int:
        """Its number, or -1, which no column holds, for a value never seen."""
        return self._numbers.get(value, -1)
