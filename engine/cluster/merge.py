"""Puts the rows of several partitions back into the log's one order: gap free, each row once.

A partition holds a part of the log, in the log's order. Each row names the position before it, so
which row comes next is known without asking how far the others are. What came too early waits. A
partition that ran far ahead is told to pause; one of which nothing waits is never told so, and only
there can the next row be: so waiting and pausing never hold up each other. And when something of
every partition waits, yet the next row does not, then nobody has it any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from engine.log.unit import Stored

AHEAD_BYTES = 2 * 1024 * 1024
ROW_BYTES = 512
"""What a row costs in memory beside its state."""


class Disorder(Exception):
    """Rows that cannot be of one log; `position` is that of the row that does not fit."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(message)
        self.position = position


class Merge:
    """Takes rows as they come from partitions, and gives those behind `after` in log order."""

    def __init__(self, after: int, *, ahead_bytes: int = AHEAD_BYTES) -> None:
        self.last = self._start = after
        self._ahead_bytes = ahead_bytes
        self._by_previous: dict[int, Stored] = {}
        self._newest: dict[int, int] = {}
        # For each partition what was offered and is not all taken: the last position, how much.
        self._offered: dict[int, deque[tuple[int, int]]] = {}

    def offer(self, partition: int, rows: Iterable[tuple[Stored, int]]) -> None:
        """Rows of one partition, each with the position before it. Known ones are left out.

        A relay that could not tell whether it published repeats itself: what is not behind the
        newest row of its partition was here already.
        """
        last, waiting, size_bytes = self.last, self._by_previous, 0
        before = newest = max(self._newest.get(partition, 0), last)
        for row, previous in rows:
            position = row[0]
            if position <= newest:
                continue
            newest = position
            if previous < last:
                previous = self._at_start(position, previous)
            if previous in waiting:
                raise Disorder(
                    position,
                    f"positions {waiting[previous].position} and {position} both say that they "
                    f"follow position {previous}: they are not of one log",
                )
            waiting[previous] = row
            size_bytes += len(row[4]) + ROW_BYTES
        if newest > before:
            self._newest[partition] = newest
            self._offered.setdefault(partition, deque()).append((newest, size_bytes))

    def _at_start(self, position: int, previous: int) -> int:
        """Who starts between two rows begins with one that names a row from before the start."""
        if self.last != self._start:
            raise Disorder(
                position,
                f"position {position} says that it follows position {previous}, but "
                f"{self.last} does: they are not of one log",
            )
        return self.last

    def take(self, limit: int) -> list[Stored]:
        """The next rows in log order; empty when the next one is not here yet."""
        taken: list[Stored] = []
        last, pop = self.last, self._by_previous.pop
        while len(taken) < limit and (row := pop(last, None)) is not None:
            taken.append(row)
            last = row[0]
        self.last = last
        return taken

    @property
    def newest(self) -> int:
        """The last position that is known of, here or taken already."""
        return max([self.last, *self._newest.values()])

    @property
    def waiting(self) -> int:
        """Rows that are here before their turn."""
        return len(self._by_previous)

    @property
    def missing(self) -> tuple[int, int] | None:
        """Which rows are waited for: those behind the first position, up to the second."""
        if not self._by_previous or self.last in self._by_previous:
            return None
        return self.last, min(self._by_previous)

    def held(self) -> dict[int, int]:
        """The partitions of which something waits, and how many bytes."""
        for offered in self._offered.values():
            while offered and offered[0][0] <= self.last:
                offered.popleft()
        return {
            partition: sum(size for _, size in offered)
            for partition, offered in self._offered.items()
            if offered
        }

    def ahead(self) -> set[int]:
        """Partitions of which enough is held: nothing more is wanted from them now."""
        return {one for one, size in self.held().items() if size > self._ahead_bytes}
