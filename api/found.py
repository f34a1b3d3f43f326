"""What questions find, in order of creation, kept and brought up to date by what changed since.

A list of a hundred thousand rows is not to be walked, nor put in order, for each page of it. Where
nothing but a row itself decides whether it is found, the rows found are kept. A row that changes is
noted; whoever asks next takes out and puts in those that were noted since it last asked.

A walk of so many is made in pieces (`api.walks`), with everybody else's turn between. What changes
meanwhile is noted as well: what it found is brought up to date before it is kept.

The invariant: what is kept is what a walk of the table would find now, in the table's order. Rows
are told by the numbers of their ids, none of which is ever used again.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from api.attempts import Turns
from api.walks import in_time, timed
from projections.picked import Picked
from projections.table import Table

Test = Callable[[Any], bool]
Question = tuple[str, Hashable]

EVERYTHING = ""
ROWS_MOST = 1_000_000
"""How many rows may be kept in all: sixteen bytes each."""
AS_ROWS = 1_000
"""What a question counts for besides, as many find few rows."""
BEHIND_MOST = 4096
"""What nobody asks for while so many rows change is no longer kept."""


@dataclass(slots=True, eq=False)
class Kept:
    """The rows that pass all tests, as of the `seen`th change of their kind: the numbers of their
    ids, and when each was created, in ms."""

    numbers: list[int]
    times: array[int]
    tests: tuple[Test, ...]
    seen: int

    def among(self, at_ms: int) -> tuple[int, int]:
        """Between which places those stand that were created at this time."""
        first = bisect_left(self.times, at_ms)
        return first, bisect_right(self.times, at_ms, lo=first)


@dataclass(slots=True)
class Changes:
    """The rows of a kind that changed, came or went lately, each with its number and when it was
    created; `first` is the number of the first change."""

    first: int
    rows: list[tuple[int, int]]

    @property
    def end(self) -> int:
        return self.first + len(self.rows)


@dataclass(slots=True, eq=False)
class Walk:
    """Rows of a kind are looked at in pieces, by whoever began at the `seen`th change of it. Of one
    that is lost it is no longer known what has changed since."""

    seen: int
    is_lost: bool = False


class Found:
    """The rows of the live cloud that were asked for of late, by question.

    `turns` are for those who ask the same at a moment: one walks, and the others find it kept.
    """

    def __init__(self, *, rows_most: int = ROWS_MOST, behind_most: int = BEHIND_MOST) -> None:
        self._rows_most, self._behind_most = rows_most, behind_most
        self._kept: OrderedDict[Question, Kept] = OrderedDict()
        self._changes: dict[str, Changes] = {}
        self._walks: dict[str, list[Walk]] = {}
        self.turns = Turns()

    def get(self, table: Table[Any], question: Hashable) -> Picked[Any] | None:
        """What this question finds now, if it is kept; to be read and not to be changed."""
        kept = self._get(table, question)
        return None if kept is None else Picked(table, kept.numbers)

    @contextmanager
    def walk(self, table: Table[Any]) -> Iterator[Walk]:
        """From now on it is noted what changes, for what is found meanwhile."""
        kind = table.spec.kind
        walk = Walk(self._changes.setdefault(kind, Changes(0, [])).end)
        walks = self._walks.setdefault(kind, [])
        walks.append(walk)
        try:
            yield walk
        finally:
            walks.remove(walk)

    async def keep(
        self,
        table: Table[Any],
        question: Hashable,
        rows: Picked[Any],
        tests: Iterable[Test],
        walk: Walk,
        *,
        is_ranked: bool = False,
    ) -> Picked[Any]:
        """Keep what was found on this walk, and say what that is now, in the table's order.

        `tests` are all that decides, as `rows` will have to pass anew. Those that are ranked stand
        in the table's order already; an index has them in the order in which they came into it.
        """
        numbers, times = await timed(table, rows.numbers)
        if not is_ranked and _has_ties(times):
            numbers, times = await self._ranked(table, numbers, times)
        if walk.is_lost:
            return Picked(table, numbers)
        kept = self._keep(table, question, Kept(numbers, times, tuple(tests), walk.seen))
        self._catch_up(table, kept)
        return Picked(table, kept.numbers)

    async def _ranked(
        self, table: Table[Any], numbers: list[int], times: array[int]
    ) -> tuple[list[int], array[int]]:
        """The same with those of one moment in the table's order."""
        if self._get(table, EVERYTHING) is None:
            with self.walk(table) as walk:
                await self.keep(table, EVERYTHING, table.picked(), (), walk, is_ranked=True)
        time_of = dict(zip(numbers, times, strict=True))
        ranked = [number for number in self._every(table).numbers if number in time_of]
        return ranked, array("q", map(time_of.__getitem__, ranked))

    def changed(self, kind: str, row: Any) -> None:
        """A row has changed, come or gone."""
        changes = self._changes.get(kind)
        if changes is None:
            return
        changes.rows.append((row.id.int, row.created_at_ms))
        if len(changes.rows) > self._behind_most:
            self._leave_behind(kind, changes)

    def _get(self, table: Table[Any], question: Hashable) -> Kept | None:
        key = (table.spec.kind, question)
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            self._catch_up(table, kept)
        return kept

    def _keep(self, table: Table[Any], question: Hashable, kept: Kept) -> Kept:
        key = (table.spec.kind, question)
        self._kept[key] = kept
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and self._size() > self._rows_most:
            self._kept.popitem(last=False)
        return kept

    def _size(self) -> int:
        return sum(len(kept.numbers) + AS_ROWS for kept in self._kept.values())

    def _leave_behind(self, kind: str, changes: Changes) -> None:
        """Forget what was not asked for while the older half of the changes came."""
        half = changes.first + self._behind_most // 2
        mine = [key for key in self._kept if key[0] == kind]
        for key in mine:
            if self._kept[key].seen < half:
                del self._kept[key]
        left = [self._kept[key].seen for key in mine if key in self._kept]
        for walk in self._walks.get(kind, ()):
            walk.is_lost |= walk.seen < half
            if not walk.is_lost:
                left.append(walk.seen)
        if not left:
            del self._changes[kind]
            return
        first = min(left)
        del changes.rows[: first - changes.first]
        changes.first = first

    def _every(self, table: Table[Any]) -> Kept:
        """All rows in the table's order: of those made at one moment, the order is known here."""
        every = self._get(table, EVERYTHING)
        if every is None:
            numbers = list(table.rows)
            numbers, times = in_time(numbers, array("q", map(table.created_at_ms, numbers)))
            changes = self._changes.setdefault(table.spec.kind, Changes(0, []))
            every = self._keep(table, EVERYTHING, Kept(numbers, times, (), changes.end))
        return every

    def _catch_up(self, table: Table[Any], kept: Kept) -> None:
        changes = self._changes[table.spec.kind]
        if kept.seen == changes.end:
            return
        since = changes.rows[kept.seen - changes.first :]
        kept.seen = changes.end
        for number, at_ms in dict(since).items():
            numbers = kept.numbers
            first, last = kept.among(at_ms)
            place = next((at for at in range(first, last) if numbers[at] == number), None)
            wanted = number in table.rows and all(test(table.at(number)) for test in kept.tests)
            if place is None and wanted:
                place = self._between(table, kept, number, first, last)
                numbers.insert(place, number)
                kept.times.insert(place, at_ms)
            elif place is not None and not wanted:
                del numbers[place], kept.times[place]

    def _between(self, table: Table[Any], kept: Kept, number: int, first: int, last: int) -> int:
        """Where a row belongs among those, from `first` to `last`, that were made with it."""
        if first == last or not kept.tests:
            return last
        every = self._every(table)
        begin, end = every.among(table.created_at_ms(number))
        ranks = {one: rank for rank, one in enumerate(every.numbers[begin:end])}
        # One that is gone has no rank, and is about to be taken out.
        beside = [ranks.get(one, -1) for one in kept.numbers[first:last]]
        after = (at for at, rank in enumerate(beside, first) if rank > ranks[number])
        return next(after, last)


def _has_ties(times: array[int]) -> bool:
    """Were two of these made at the same moment?"""
    return len(set(times)) < len(times)
