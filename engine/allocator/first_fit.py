"""The lowest slot with room for guests of one size, without looking at all of them each time.

Room only shrinks while guests are placed, so slots that were found too full need another look only
after something was given back on them. Invariant: every slot below `_cursor` that has room is in
the heap `_loose`. So the answer is the heap's lowest slot that still has room, or else the first
one from the cursor on: exactly that of a scan from the start.
"""

from __future__ import annotations

from collections.abc import Container
from heapq import heappop, heappush

from projections.capacity_columns import HostColumns, Mask

_LATE = 256
_SCAN_AT_FIRST = 256


class FirstFit:
    """Follows the slots of one mask for one size."""

    def __init__(self, mhz: int, mib: int) -> None:
        self._mhz, self._mib = mhz, mib
        self._mark = -1
        self._cursor = 0
        self._loose: list[int] = []
        self._queued: set[int] = set()

    def find(self, hosts: HostColumns, mask: Mask, barred: Container[int] = ()) -> int | None:
        """The lowest slot of `mask` with room that is not barred, or None."""
        self._catch_up(hosts)
        loose, free_mhz, free_mib = self._loose, hosts.mhz, hosts.mib
        passed: list[int] = []
        found: int | None = None
        while loose:
            slot = loose[0]
            if free_mib[slot] < self._mib or free_mhz[slot] < self._mhz or not mask[slot]:
                self._queued.discard(heappop(loose))
            elif barred and slot in barred:
                passed.append(heappop(loose))
            else:
                found = slot
                break
        for slot in passed:
            heappush(loose, slot)
        return self._beyond(hosts, mask, barred) if found is None else found

    def _catch_up(self, hosts: HostColumns) -> None:
        """Queue the slots below the cursor that were given something back since the last look."""
        raised = hosts.raised.after(self._mark, at_most=_LATE) if self._mark >= 0 else None
        self._mark = hosts.raised.mark
        if raised is None:
            # Too long ago: looking at everything once costs less than looking at all of these.
            self._cursor = 0
            self._loose.clear()
            self._queued.clear()
            return
        cursor, queued = self._cursor, self._queued
        for slot in raised:
            if slot < cursor and slot not in queued:
                queued.add(slot)
                heappush(self._loose, slot)

    def _beyond(self, hosts: HostColumns, mask: Mask, barred: Container[int]) -> int | None:
        """From the cursor on. The cursor stays before what only this guest may not have."""
        found = self._cursor = self._scan(hosts, mask, self._cursor)
        while barred and found in barred:
            found = self._scan(hosts, mask, found + 1)
        return found if found < len(hosts) else None

    def _scan(self, hosts: HostColumns, mask: Mask, start: int) -> int:
        """The first slot with room from `start` on, looking in ever wider strides."""
        width, count, mhz, mib = _SCAN_AT_FIRST, len(hosts), self._mhz, self._mib
        # The cursor mostly stays where it is, and a look in Python costs less than calling numpy.
        if start < count and hosts.mib[start] >= mib and hosts.mhz[start] >= mhz and mask[start]:
            return start
        while start < count:
            stop = min(start + width, count)
            room = hosts.free_mhz[start:stop] >= mhz
            room &= hosts.free_mib[start:stop] >= mib
            room &= mask[start:stop]
            at = int(room.argmax())
            if room[at]:
                return start + at
            start, width = stop, width * 4
        return count
