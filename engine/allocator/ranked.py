"""The fullest, or the emptiest, host with room for guests of one size, without comparing all.

The hosts with room are sorted once by how empty they are. What moves after that is put into a heap
under its new share, at every look; an entry whose share is no longer the host's own is outdated
and dropped when it comes up. So the answer is the better of two that are true: the first of the
sorted ones that has not moved, and the heap's. It is exactly that of a comparison of all.
"""

from __future__ import annotations

from array import array
from collections.abc import Container
from heapq import heappop, heappush

import numpy as np

from projections.capacity_columns import HostColumns, Mask

_LATE = 4_096
_HEAP_KEPT = 8_192
Entry = tuple[float, int]


class Ranked:
    """Follows the slots of one mask for one size; `sign` 1: fullest first, -1: emptiest first."""

    def __init__(self, mhz: int, mib: int, sign: int) -> None:
        self._mhz, self._mib, self._sign = mhz, mib, sign
        self._mark = -1
        self._ranks, self._slots = array("d"), array("q")  # sorted, the best last
        self._moved: list[Entry] = []

    def find(self, hosts: HostColumns, mask: Mask, barred: Container[int] = ()) -> int | None:
        """The best slot of `mask` with room that is not barred, or None."""
        self._catch_up(hosts, mask)
        passed: list[Entry] = []
        found: int | None = None
        while (entry := self._best(hosts, mask)) is not None:
            if not barred or entry[1] not in barred:
                found = entry[1]
                break
            passed.append(self._drop(entry))
        for entry in passed:
            heappush(self._moved, entry)
        return found

    def _best(self, hosts: HostColumns, mask: Mask) -> Entry | None:
        ranks, slots, moved = self._ranks, self._slots, self._moved
        while ranks and not self._holds(hosts, mask, ranks[-1], slots[-1]):
            ranks.pop()
            slots.pop()
        while moved and not self._holds(hosts, mask, *moved[0]):
            heappop(moved)
        if not ranks:
            return moved[0] if moved else None
        first = ranks[-1], slots[-1]
        return min(first, moved[0]) if moved else first

    def _holds(self, hosts: HostColumns, mask: Mask, rank: float, slot: int) -> bool:
        """Whether a host is still as empty as it was when it was listed, and has room."""
        return (
            hosts.mib[slot] >= self._mib
            and hosts.mhz[slot] >= self._mhz
            and self._sign * hosts.share(slot) == rank
            and bool(mask[slot])
        )

    def _drop(self, entry: Entry) -> Entry:
        if self._ranks and (self._ranks[-1], self._slots[-1]) == entry:
            return self._ranks.pop(), self._slots.pop()
        return heappop(self._moved)

    def _catch_up(self, hosts: HostColumns, mask: Mask) -> None:
        moved = hosts.moved.after(self._mark, at_most=_LATE) if self._mark >= 0 else None
        self._mark = hosts.moved.mark
        if moved is None or len(self._moved) + len(moved) > _HEAP_KEPT:
            self._begin(hosts, mask)
            return
        mhz, mib = self._mhz, self._mib
        for slot in moved:
            if hosts.mib[slot] >= mib and hosts.mhz[slot] >= mhz:
                heappush(self._moved, (self._sign * hosts.share(slot), slot))

    def _begin(self, hosts: HostColumns, mask: Mask) -> None:
        room = hosts.free_mhz >= self._mhz
        room &= hosts.free_mib >= self._mib
        slots = np.flatnonzero(room & mask)
        ranks = self._sign * hosts.shares(slots)
        order = np.lexsort((slots, ranks))[::-1]
        self._ranks = array("d", ranks[order].tobytes())
        self._slots = array("q", slots[order].tobytes())
        self._moved = []
