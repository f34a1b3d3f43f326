"""Pages of lists as the bytes that are sent, kept while they are asked for again.

Five hundred rows that are JSON already still have to be found, one by one, and copied together:
twice what it takes to send them. A page is kept from the second time on that it is asked for, and
counts for as long as it is of the same rows and nothing that was made of one of them is forgotten.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

KEPT_BYTES = 64 * 2**20
FEW_ROWS = 20
"""A page of fewer is as quickly made as looked up."""
REMEMBERED = 4096
"""How many pages that were asked for once are remembered, and how many rows that were forgotten."""


@dataclass(slots=True)
class Joined:
    """A page of the rows with these numbers, as of the `seen`th row that was forgotten."""

    json: bytes
    numbers: Sequence[int]
    among: frozenset[int]
    seen: int


class Pages:
    """Pages by what they show and by their first row; what is asked for least of late goes.

    Rows are told by the numbers of their ids.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._kept: OrderedDict[Hashable, Joined] = OrderedDict()
        self._asked_once: OrderedDict[Hashable, None] = OrderedDict()
        self._forgotten: list[int] = []
        self._first = 0
        self.size_bytes = 0

    def get(self, shown: Hashable, numbers: Sequence[int]) -> bytes | None:
        """The page of these rows, as `shown` says; None if it is to be made."""
        key = (shown, numbers[0], len(numbers))
        page = self._kept.get(key)
        if page is None:
            return None
        if page.numbers != numbers or not self._is_fresh(page):
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return page.json

    def keep(self, shown: Hashable, numbers: Sequence[int], json: bytes) -> None:
        """Keep a page that was made, if it was asked for before."""
        if len(numbers) < FEW_ROWS:
            return
        key = (shown, numbers[0], len(numbers))
        if key not in self._asked_once:
            self._asked_once[key] = None
            if len(self._asked_once) > REMEMBERED:
                self._asked_once.popitem(last=False)
            return
        self._asked_once.move_to_end(key)
        end = self._first + len(self._forgotten)
        self._drop(key)
        self._kept[key] = Joined(json, numbers, frozenset(numbers), end)
        self.size_bytes += len(json)
        while self.size_bytes > self._kept_bytes:
            self._drop(next(iter(self._kept)))

    def forgot(self, number: int) -> None:
        """What was made of the row with this number is to be made anew."""
        if not self._kept:
            return
        self._forgotten.append(number)
        if len(self._forgotten) > REMEMBERED:
            # A page that nobody has asked for since the older half was forgotten is not known any
            # more to be right.
            del self._forgotten[: REMEMBERED // 2]
            self._first += REMEMBERED // 2

    def clear(self) -> None:
        """Every row is to be made anew."""
        self._kept.clear()
        self._forgotten.clear()
        self.size_bytes = 0

    def _is_fresh(self, page: Joined) -> bool:
        """Has none of its rows been forgotten?"""
        if page.seen < self._first:
            return False
        since = self._forgotten[page.seen - self._first :]
        page.seen = self._first + len(self._forgotten)
        return page.among.isdisjoint(since)

    def _drop(self, key: Hashable) -> None:
        page = self._kept.pop(key, None)
        if page is not None:
            self.size_bytes -= len(page.json)
