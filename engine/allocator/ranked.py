"""The fullest, or the emptiest, host with room for guests of one size, without comparing all.

The hosts with room are sorted once by how empty they are. What moves after that is put into a heap
under its new share, at every look, and `_now` says what counts of it: its share at the last look,
or that it has no room. Whatever `_now` contradicts is outdated and dropped when it comes up. So the
answer is the better of two that are true: the first of the sorted ones that has not moved, and the
heap's. It is exactly that of a comparison of all.

Only the best are listed, up to the rank `_floor`: what moves far behind it costs no place in the
heap. When none of them is left, the next best are listed.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Container, Iterable, Iterator
from heapq import heappop, heappush
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from projections.capacity_columns import HostColumns

if TYPE_CHECKING:
    from engine.allocator.shapes import Shape

_LATE = 4_096
_HEAP_KEPT = 8_192
_LISTED = 2_048
Entry = tuple[float, int]


class Ranked:
    """Follows the slots of one shape for one size; `sign` 1: fullest first, -1: emptiest first."""

    __slots__ = (
        "_floor",
        "_mark",
        "_mhz",
        "_mib",
        "_moved",
        "_now",
        "_ranks",
        "_shape",
        "_sign",
        "_slots",
    )

    def __init__(self, shape: Shape, mhz: int, mib: int, sign: int) -> None:
        self._shape, self._mhz, self._mib, self._sign = shape, mhz, mib, sign
        self._mark = -1
        self._ranks, self._slots = array("d"), array("q")  # sorted, the best last
        self._moved: list[Entry] = []
        self._now: dict[int, float | None] = {}
        self._floor = inf

    def find(self, hosts: HostColumns, barred: Collection[int] = ()) -> int | None:
        """The best slot of the shape with room that is not barred, or None."""
        if hosts.moved.mark != self._mark:
            self._catch_up(hosts)
        best = self._allowed(barred) if barred else self._best()
        if best is None and self._floor < inf:
            # Beyond the floor there may be more; as many as are barred are not enough to list.
            self._begin(hosts, _LISTED + len(barred))
            best = self._allowed(barred) if barred else self._best()
        return None if best is None else best[1]

    def each(self, hosts: HostColumns, barred: Collection[int] = ()) -> Iterator[int]:
        """What `find` answers, again and again."""
        while (found := self.find(hosts, barred)) is not None:
            yield found

    def _allowed(self, barred: Container[int]) -> Entry | None:
        """The best that is not barred; those before it stay listed."""
        passed: list[Entry] = []
        while (best := self._best()) is not None and best[1] in barred:
            passed.append(best)
            self._now[best[1]] = None
        for rank, slot in passed:
            self._now[slot] = rank
            heappush(self._moved, (rank, slot))
        return best

    def _best(self) -> Entry | None:
        slots, moved, now = self._slots, self._moved, self._now
        while slots and slots[-1] in now:
            slots.pop()
            self._ranks.pop()
        while moved and now[moved[0][1]] != moved[0][0]:
            heappop(moved)
        if not slots:
            return moved[0] if moved else None
        first = self._ranks[-1], slots[-1]
        return moved[0] if moved and moved[0] < first else first

    def _catch_up(self, hosts: HostColumns) -> None:
        moved = hosts.moved.after(self._mark, at_most=_LATE) if self._mark >= 0 else None
        self._mark = hosts.moved.mark
        if moved is None or len(self._moved) + len(moved) > _HEAP_KEPT:
            self._begin(hosts, _LISTED)
        else:
            self._look_at(hosts, set(moved))

    def _look_at(self, hosts: HostColumns, moved: Iterable[int]) -> None:
        flags, now, mhz, mib, sign = self._shape.flags, self._now, self._mhz, self._mib, self._sign
        floor, heap = self._floor, self._moved
        free_mhz, free_mib, most_mhz, most_mib = (
            hosts.mhz,
            hosts.mib,
            hosts.most_mhz,
            hosts.most_mib,
        )
        for slot in moved:
            has_mhz, has_mib = free_mhz[slot], free_mib[slot]
            if has_mib < mib or has_mhz < mhz or not flags[slot]:
                now[slot] = None
                continue
            # As `hosts.share` has it; the call would cost more than the sum.
            rank = sign * (has_mhz / (most_mhz[slot] or 1) + has_mib / (most_mib[slot] or 1))
            if rank > floor:
                now[slot] = None
            elif now.get(slot) != rank:
                now[slot] = rank
                heappush(heap, (rank, slot))

    def _begin(self, hosts: HostColumns, listed: int) -> None:
        slots = self._shape.slots
        room = hosts.free_mhz[slots] >= self._mhz
        room &= hosts.free_mib[slots] >= self._mib
        slots = slots[room]
        ranks = self._sign * hosts.shares(slots)
        self._floor = inf
        if len(slots) > listed:
            self._floor = float(np.partition(ranks, listed)[listed])
            near = ranks <= self._floor
            slots, ranks = slots[near], ranks[near]
        order = np.argsort(ranks, kind="stable")[::-1]
        self._ranks = array("d", ranks[order].tobytes())
        self._slots = array("q", slots[order].tobytes())
        self._moved, self._now = [], {}
