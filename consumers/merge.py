"""Brings the records of many partitions back into the one order of the log, without a gap.

Each record names the position before it, so the next one is known when it comes and nothing has
to be guessed from times. What comes too early waits; what came already is dropped.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator

from consumers.kafka_record import Row

FULL, ROOM = 2_000, 500


class Merge:
    """`last` is the position of the latest that was given out."""

    def __init__(self, after: int) -> None:
        self.last = after
        self._early: list[tuple[int, int, Row]] = []
        self._number = 0
        self._held: Counter[int] = Counter()

    def add(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Take records in; give out those whose turn it is."""
        for one in rows:
            if one.position > self.last:
                heapq.heappush(self._early, (one.position, self._number, one))
                self._number += 1
                self._held[one.partition] += 1
        while self._early and self._early[0][2].previous <= self.last:
            _, _, first = heapq.heappop(self._early)
            self._held[first.partition] -= 1
            if first.position > self.last:
                self.last = first.position
                yield first

    @property
    def missing(self) -> tuple[int, int] | None:
        """Between which positions something must still come, while others wait for it."""
        return (self.last, self._early[0][0]) if self._early else None

    def is_full(self, partition: int) -> bool:
        """So much of this partition waits that no more of it should be fetched."""
        return self._held[partition] >= FULL

    def has_room(self, partition: int) -> bool:
        return self._held[partition] < ROOM
