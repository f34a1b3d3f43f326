"""Which rows have a value: their numbers, in order of creation, by the value of one attribute.

An entry is the only number there is, or a list of them; those of one moment stand in the order in
which they came. A list costs eight bytes a row, a dict of them fifty. Values that are ids are kept
as their numbers, which C code hashes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

Entries = dict[Any, int | list[int]]


def key_of(value: Any) -> Any:
    """What stands for a value in an index: of an id its number."""
    return value.int if type(value) is UUID else value


class Index:
    """`created` says when the row of a number was created, in ms; it is asked for few of them."""

    __slots__ = ("_created", "_entries")

    def __init__(self, created: Callable[[int], int], entries: Entries | None = None) -> None:
        self._created = created
        self._entries: Entries = {} if entries is None else entries

    def __len__(self) -> int:
        return len(self._entries)

    def of(self, value: object) -> Sequence[int]:
        """The numbers of the rows with this value; to be read and not to be changed."""
        found = self._entries.get(value.int if type(value) is UUID else value)
        if found is None:
            return ()
        return found if type(found) is list else (found,)  # type: ignore[return-value]

    def counts(self) -> Iterator[tuple[Any, int]]:
        """Each value, an id as its number, with how many rows have it."""
        for key, found in self._entries.items():
            yield key, len(found) if type(found) is list else 1

    def items(self) -> Iterator[tuple[Any, Sequence[int]]]:
        """Each value, an id as its number, with the numbers of the rows that have it."""
        for key, found in self._entries.items():
            yield key, found if type(found) is list else (found,)  # type: ignore[misc]

    def put(self, value: object, number: int, at_ms: int) -> None:
        """List a row that was created at this time."""
        key = value.int if type(value) is UUID else value
        found = self._entries.get(key)
        if found is None:
            self._entries[key] = number
            return
        if type(found) is not list:
            found = self._entries[key] = [found]  # type: ignore[list-item]
        if at_ms >= self._created(found[-1]):
            found.append(number)
        else:
            found.insert(bisect_right(found, at_ms, key=self._created), number)

    def append(self, value: object, number: int) -> None:
        """List a row that was created no earlier than all that are listed."""
        key = value.int if type(value) is UUID else value
        found = self._entries.get(key)
        if found is None:
            self._entries[key] = number
        elif type(found) is list:
            found.append(number)
        else:
            self._entries[key] = [found, number]  # type: ignore[list-item]

    def take(self, value: object, number: int, at_ms: int) -> int:
        """List a row no longer, and its value neither if it was the last one that has it.

        It answers with its number as the object that was listed.
        """
        key = value.int if type(value) is UUID else value
        found = self._entries[key]
        if type(found) is not list:
            del self._entries[key]
            return found  # type: ignore[return-value]
        at = found.index(number, bisect_left(found, at_ms, key=self._created))
        listed: int = found.pop(at)
        if len(found) == 1:
            self._entries[key] = found[0]
        return listed


class Seldom(Index):
    """One of what most rows have not: those are not listed, and nobody asks for them."""

    __slots__ = ()

    def of(self, value: object) -> Sequence[int]:
        assert value, "rows that have nothing there are not listed"
        return super().of(value)

    def put(self, value: object, number: int, at_ms: int) -> None:
        if value:
            super().put(value, number, at_ms)

    def append(self, value: object, number: int) -> None:
        if value:
            super().append(value, number)

    def take(self, value: object, number: int, at_ms: int) -> int:
        return super().take(value, number, at_ms) if value else number
