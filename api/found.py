"""What questions find, in order of creation, kept and brought up to date by what changed since.

A list that a hundred thousand rows match is not to be walked, nor put in order, for each page of
it. Where nothing but a row itself decides whether it is found, the rows found are kept. A row that
changes is noted; whoever asks next takes out and puts in those that were noted since it last asked.

The invariant: what is kept is what a walk of the table would find now, in the table's order.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from projections.table import Table

Test = Callable[[Any], bool]
Question = tuple[str, Hashable]

EVERYTHING = ""
CREATED = attrgetter("created_at_ms")
ROWS_MOST = 1_000_000
"""How many rows may be kept in all: eight bytes each."""
BEHIND_MOST = 4096
"""What nobody asks for while so many rows change is no longer kept."""


@dataclass(slots=True, eq=False)
class Kept:
    """The rows that pass all tests, as of the `seen`th change of their kind."""

    rows: list[Any]
    tests: tuple[Test, ...]
    seen: int


@dataclass(slots=True)
class Changes:
    """The rows of a kind that changed, came or went lately; `first` is the number of the first."""

    first: int
    rows: list[Any]

    @property
    def end(self) -> int:
        return self.first + len(self.rows)


class Found:
    """The rows of the live cloud that were asked for of late, by question."""

    def __init__(self, *, rows_most: int = ROWS_MOST, behind_most: int = BEHIND_MOST) -> None:
        self._rows_most, self._behind_most = rows_most, behind_most
        self._kept: OrderedDict[Question, Kept] = OrderedDict()
        self._changes: dict[str, Changes] = {}

    def get(self, table: Table[Any], question: Hashable) -> list[Any] | None:
        """What this question finds now, if it is kept; to be read and not to be changed."""
        key = (table.spec.kind, question)
        kept = self._kept.get(key)
        if kept is None:
            return None
        self._kept.move_to_end(key)
        self._catch_up(table, kept)
        return kept.rows

    def keep(
        self, table: Table[Any], question: Hashable, rows: Iterable[Any], tests: Iterable[Test]
    ) -> list[Any]:
        """Keep what was found. `tests` are all that decides, as `rows` will have to pass anew."""
        found = sorted(rows, key=CREATED)
        if question != EVERYTHING and _has_ties(found):
            # An index is in the order in which rows came into it.
            wanted = set(map(id, found))
            found = [row for row in self._every(table) if id(row) in wanted]
        kind = table.spec.kind
        changes = self._changes.setdefault(kind, Changes(0, []))
        self._kept[kind, question] = Kept(found, tuple(tests), changes.end)
        while len(self._kept) > 1 and self._size() > self._rows_most:
            self._kept.popitem(last=False)
        return found

    def changed(self, kind: str, row: Any) -> None:
        """A row has changed, come or gone."""
        changes = self._changes.get(kind)
        if changes is None:
            return
        changes.rows.append(row)
        if len(changes.rows) > self._behind_most:
            self._leave_behind(kind, changes)

    def _size(self) -> int:
        return sum(len(kept.rows) for kept in self._kept.values())

    def _leave_behind(self, kind: str, changes: Changes) -> None:
        """Forget what was not asked for while the older half of the changes came."""
        half = changes.first + self._behind_most // 2
        mine = [key for key in self._kept if key[0] == kind]
        for key in mine:
            if self._kept[key].seen < half:
                del self._kept[key]
        left = [self._kept[key].seen for key in mine if key in self._kept]
        if not left:
            del self._changes[kind]
            return
        first = min(left)
        del changes.rows[: first - changes.first]
        changes.first = first

    def _every(self, table: Table[Any]) -> list[Any]:
        """All rows in the table's order: of those made at one moment, the order is known here."""
        every = self.get(table, EVERYTHING)
        return self.keep(table, EVERYTHING, table, ()) if every is None else every

    def _catch_up(self, table: Table[Any], kept: Kept) -> None:
        changes = self._changes[table.spec.kind]
        if kept.seen == changes.end:
            return
        since = changes.rows[kept.seen - changes.first :]
        kept.seen = changes.end
        for row in {id(row): row for row in since}.values():
            rows, at_ms = kept.rows, row.created_at_ms
            first = bisect_left(rows, at_ms, key=CREATED)
            last = bisect_right(rows, at_ms, lo=first, key=CREATED)
            place = next((at for at in range(first, last) if rows[at] is row), None)
            wanted = table.get(row.id) is row and all(test(row) for test in kept.tests)
            if place is None and wanted:
                rows.insert(self._between(table, kept, row, first, last), row)
            elif place is not None and not wanted:
                del rows[place]

    def _between(self, table: Table[Any], kept: Kept, row: Any, first: int, last: int) -> int:
        """Where a row belongs among those, from `first` to `last`, that were made with it."""
        if first == last or not kept.tests:
            return last
        every, at_ms = self._every(table), row.created_at_ms
        begin = bisect_left(every, at_ms, key=CREATED)
        end = bisect_right(every, at_ms, lo=begin, key=CREATED)
        ranks = {id(one): rank for rank, one in enumerate(every[begin:end])}
        # One that is gone has no rank, and is about to be taken out.
        beside = [ranks.get(id(one), -1) for one in kept.rows[first:last]]
        after = (at for at, rank in enumerate(beside, first) if rank > ranks[id(row)])
        return next(after, last)


def _has_ties(rows: list[Any]) -> bool:
    """Were two of these made at the same moment?"""
    times = list(map(CREATED, rows))
    return len(set(times)) < len(times)
