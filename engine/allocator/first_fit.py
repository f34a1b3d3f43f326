"""The lowest slot with room for guests of one size, without looking at all of them each time.

Room only shrinks while guests are placed, so slots that were found too full need another look only
after something was given back on them. Invariant: every slot of the shape before the cursor that
has room is in the heap `_loose`. So the answer is the heap's lowest slot that still has room, or
else the first one from the cursor on: exactly that of a scan from the start.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Iterator
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from projections.capacity_columns import HostColumns

if TYPE_CHECKING:
    from engine.allocator.shapes import Shape

_LATE = 256
_ONE_BY_ONE, _SCAN_AT_FIRST = 8, 256


class FirstFit:
    """Follows the slots of one shape for one size."""

    __slots__ = ("_at", "_cursor", "_loose", "_mark", "_mhz", "_mib", "_order", "_queued", "_shape")

    def __init__(self, shape: Shape, mhz: int, mib: int) -> None:
        self._shape, self._mhz, self._mib = shape, mhz, mib
        self._mark = -1
        self._order = shape.order
        # The slot that the cursor is at, and where that is in the shape's order.
        self._cursor = self._at = 0
        self._loose: list[int] = []
        self._queued: set[int] = set()

    def find(self, hosts: HostColumns, barred: Container[int] = ()) -> int | None:
        """The lowest slot of the shape with room that is not barred, or None."""
        if hosts.raised.mark != self._mark:
            self._catch_up(hosts)
        loose, flags, mhz, mib = self._loose, self._shape.flags, self._mhz, self._mib
        free_mhz, free_mib = hosts.mhz, hosts.mib
        while loose:
            slot = loose[0]
            if free_mib[slot] < mib or free_mhz[slot] < mhz or not flags[slot]:
                self._queued.discard(heappop(loose))
            elif barred and slot in barred:
                return self._past(hosts, barred)
            else:
                return slot
        at, order = self._at, self._order
        if order is self._shape.order and at < len(order) and not barred:
            # The cursor mostly stays where it is.
            slot = order[at]
            if free_mib[slot] >= mib and free_mhz[slot] >= mhz:
                return slot
        return self._beyond(hosts, barred)

    def each(self, hosts: HostColumns, barred: Container[int] = ()) -> Iterator[int]:
        """What `find` answers, again and again, while nothing happens but that room is taken."""
        loose, flags, mhz, mib = self._loose, self._shape.flags, self._mhz, self._mib
        free_mhz, free_mib, is_queued_no_more = hosts.mhz, hosts.mib, self._queued.discard
        while (found := self.find(hosts, barred)) is not None:
            yield found
            while loose:
                slot = loose[0]
                if free_mib[slot] < mib or free_mhz[slot] < mhz or not flags[slot]:
                    is_queued_no_more(heappop(loose))
                elif slot in barred:
                    break
                else:
                    yield slot

    def _past(self, hosts: HostColumns, barred: Container[int]) -> int | None:
        """The same where the lowest is barred: those before it stay queued, for others."""
        loose, flags, mhz, mib = self._loose, self._shape.flags, self._mhz, self._mib
        passed: list[int] = []
        found: int | None = None
        while loose and found is None:
            slot = loose[0]
            if hosts.mib[slot] < mib or hosts.mhz[slot] < mhz or not flags[slot]:
                self._queued.discard(heappop(loose))
            elif slot in barred:
                passed.append(heappop(loose))
            else:
                found = slot
        for slot in passed:
            heappush(loose, slot)
        return self._beyond(hosts, barred) if found is None else found

    def _catch_up(self, hosts: HostColumns) -> None:
        """Queue the slots before the cursor that were given something back since the last look."""
        raised = hosts.raised.after(self._mark, at_most=_LATE) if self._mark >= 0 else None
        self._mark = hosts.raised.mark
        if raised is None:
            # Too long ago: looking at everything once costs less than looking at all of these.
            self._cursor = self._at = 0
            self._loose.clear()
            self._queued.clear()
            return
        cursor, queued, flags, mhz, mib = (
            self._cursor,
            self._queued,
            self._shape.flags,
            self._mhz,
            self._mib,
        )
        free_mhz, free_mib = hosts.mhz, hosts.mib
        for slot in set(raised):
            if (
                slot < cursor
                and free_mib[slot] >= mib
                and free_mhz[slot] >= mhz
                and flags[slot]
                and slot not in queued
            ):
                queued.add(slot)
                heappush(self._loose, slot)

    def _beyond(self, hosts: HostColumns, barred: Container[int]) -> int | None:
        """From the cursor on. The cursor stays before what only this guest may not have."""
        order = self._shape.order
        if order is not self._order:
            self._order, self._at = order, bisect_left(order, self._cursor)
        at = self._at = self._scan(hosts, self._at)
        self._cursor = order[at] if at < len(order) else len(hosts)
        while barred and at < len(order) and order[at] in barred:
            at = self._scan(hosts, at + 1)
        return order[at] if at < len(order) else None

    def _scan(self, hosts: HostColumns, start: int) -> int:
        """Where the first slot with room is from `start` on, looking in ever wider strides."""
        order, slots, mhz, mib = self._order, self._shape.slots, self._mhz, self._mib
        # The cursor mostly moves little, and looks in Python cost less than calling numpy.
        for at in range(start, min(start + _ONE_BY_ONE, len(order))):
            slot = order[at]
            if hosts.mib[slot] >= mib and hosts.mhz[slot] >= mhz:
                return at
        start, width = start + _ONE_BY_ONE, _SCAN_AT_FIRST
        while start < len(order):
            some = slots[start : start + width]
            room = hosts.free_mhz[some] >= mhz
            room &= hosts.free_mib[some] >= mib
            at = int(room.argmax())
            if room[at]:
                return start + at
            start, width = start + width, width * 4
        return len(order)
