"""The best slot with room for guests of one size, in a cluster that may take them.

A cluster has a most that it may be promised (`Bounds`). Once it has that, none of its hosts serves,
whatever is free there; and it takes guests again as soon as one leaves. So each cluster is looked
at as a whole, by its best slot. Invariant: `_entries` says of each cluster a rank and a slot that
none of its slots with room is better than; a cluster without entry has none. What makes a slot
better is on the trail. An entry is in the heap unless its cluster was found closed, and is then put
back at the first event there. So the heap's best entry that is open and still true is the answer:
exactly that of a comparison of all.

One index for three policies: `sign` 1 has the fullest first, -1 the emptiest, and with 0 all rank
alike, so that the lowest slot is the best.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

import numpy as np

from projections.capacity_columns import HostColumns, Trail
from projections.cluster_sums import Bounds

if TYPE_CHECKING:
    from engine.allocator.shapes import Shape

_LATE = 512
_ONE_BY_ONE = 64
_OUTDATED_KEPT = 4_096
# A rank, the slot that has it (or -1, if nobody looked yet), and the number of the cluster.
Entry = tuple[float, int, int]


class Clustered:
    """Follows the clusters of one shape for one size, under one set of bounds."""

    __slots__ = (
        "_aside",
        "_bounds",
        "_entries",
        "_heap",
        "_mark",
        "_mhz",
        "_mib",
        "_shape",
        "_sign",
    )

    def __init__(self, shape: Shape, mhz: int, mib: int, sign: int, bounds: Bounds) -> None:
        self._shape, self._mhz, self._mib, self._sign = shape, mhz, mib, sign
        self._bounds, self._mark = bounds, -1
        self._entries: dict[int, Entry] = {}
        self._heap: list[Entry] = []
        self._aside: set[int] = set()

    def find(self, hosts: HostColumns, barred: Collection[int] = ()) -> int | None:
        """The best slot of an open cluster with room that is not barred, or None."""
        if self._trail(hosts).mark != self._mark:
            self._catch_up(hosts)
        heap, entries = self._heap, self._entries
        passed: list[Entry] = []  # true, but not for this guest
        other: Entry | None = None  # the best of the clusters that were passed
        found: int | None = None
        while heap and (other is None or heap[0] < other):
            entry = heap[0]
            rank, slot, place = entry
            if entries.get(place) is not entry:
                heappop(heap)
            elif not self._bounds.is_open(hosts.clusters, place, self._mhz, self._mib):
                self._aside.add(place)
                heappop(heap)
            elif not self._is_true(hosts, rank, slot):
                heappop(heap)
                self._look_again(hosts, place)
            elif slot in barred:
                passed.append(heappop(heap))
                rest = self._best_of(hosts, place, barred)
                other = rest if other is None or (rest is not None and rest < other) else other
            else:
                found = slot
                break
        for entry in passed:
            heappush(heap, entry)
        return other[1] if found is None and other is not None else found

    def each(self, hosts: HostColumns, barred: Collection[int] = ()) -> Iterator[int]:
        """What `find` answers, again and again."""
        while (found := self.find(hosts, barred)) is not None:
            yield found

    def _trail(self, hosts: HostColumns) -> Trail:
        """Where all is that makes a slot better. To be fuller is better for one policy only."""
        return hosts.moved if self._sign > 0 else hosts.raised

    def _is_true(self, hosts: HostColumns, rank: float, slot: int) -> bool:
        return slot >= 0 and self._has_room(hosts, slot) and self._rank(hosts, slot) == rank

    def _has_room(self, hosts: HostColumns, slot: int) -> bool:
        has_memory = hosts.mib[slot] >= self._mib and hosts.mhz[slot] >= self._mhz
        return has_memory and bool(self._shape.flags[slot])

    def _rank(self, hosts: HostColumns, slot: int) -> float:
        return self._sign * hosts.share(slot) if self._sign else 0.0

    def _look_again(self, hosts: HostColumns, place: int) -> None:
        best = self._best_of(hosts, place, ())
        if best is None:
            del self._entries[place]
        else:
            self._entries[place] = best
            heappush(self._heap, best)

    def _best_of(self, hosts: HostColumns, place: int, barred: Collection[int]) -> Entry | None:
        """The best slot of one cluster, by looking at each."""
        members = self._shape.members(hosts, place)
        if len(members) > _ONE_BY_ONE:
            slots = np.array(members, np.int64)
            room = hosts.free_mhz[slots] >= self._mhz
            room &= hosts.free_mib[slots] >= self._mib
            slots = slots[room]
            if barred:
                slots = slots[~np.isin(slots, list(barred))]
            if not len(slots):
                return None
            at = int(np.argmin(self._sign * hosts.shares(slots))) if self._sign else 0
            return self._rank(hosts, int(slots[at])), int(slots[at]), place
        return self._best_by_one(hosts, members, place, barred)

    def _best_by_one(
        self, hosts: HostColumns, members: Iterable[int], place: int, barred: Collection[int]
    ) -> Entry | None:
        flags, mhz, mib, sign = self._shape.flags, self._mhz, self._mib, self._sign
        free_mhz, free_mib, best = hosts.mhz, hosts.mib, None
        for slot in members:
            if free_mib[slot] < mib or free_mhz[slot] < mhz or not flags[slot] or slot in barred:
                continue
            if not sign:
                return 0.0, slot, place
            rank = sign * hosts.share(slot)
            if best is None or rank < best[0]:
                best = rank, slot, place
        return best

    def _catch_up(self, hosts: HostColumns) -> None:
        trail = self._trail(hosts)
        slots = trail.after(self._mark, at_most=_LATE) if self._mark >= 0 else None
        self._mark = trail.mark
        if slots is None:
            self._begin(hosts)
            return
        entries, aside, heap = self._entries, self._aside, self._heap
        for slot in set(slots):
            place = hosts.cluster_at(slot)
            known = entries.get(place)
            if self._has_room(hosts, slot):
                entry = self._rank(hosts, slot), slot, place
                if known is None or entry < known:
                    known = entries[place] = entry
                    heappush(heap, entry)
                    aside.discard(place)
            if place in aside and known is not None:
                aside.discard(place)
                heappush(heap, known)
        if len(heap) > len(entries) + _OUTDATED_KEPT:
            self._heap = [entry for place, entry in entries.items() if place not in aside]
            heapify(self._heap)

    def _begin(self, hosts: HostColumns) -> None:
        """The best of every cluster at once; which slot has that rank is looked up when asked."""
        slots = self._shape.slots
        room = hosts.free_mhz[slots] >= self._mhz
        room &= hosts.free_mib[slots] >= self._mib
        slots = slots[room]
        places = hosts.cluster[slots]
        order = np.argsort(places, kind="stable")
        slots, places = slots[order], places[order]
        starts = np.flatnonzero(np.diff(places, prepend=-1))
        if self._sign and len(slots):
            ranks = np.minimum.reduceat(self._sign * hosts.shares(slots), starts)
            firsts = np.full(len(starts), -1)
        else:
            ranks, firsts = np.zeros(len(starts)), slots[starts]
        made = zip(ranks.tolist(), firsts.tolist(), places[starts].tolist(), strict=True)
        self._entries = {entry[2]: entry for entry in made}
        self._heap, self._aside = [*self._entries.values()], set()
        heapify(self._heap)
