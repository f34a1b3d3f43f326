"""The lowest slot with room for guests of one size, without looking at all of them each time.

Room only shrinks while guests are placed, so slots that were found too full need another look only
after something was given back on them. Invariant: every slot below `_cursor` that has room is in
the heap `_loose`. So the answer is the heap's lowest slot that still has room, or else the first
one from the cursor on: exactly that of a scan from the start.
"""

from __future__ import annotations

from heapq import heappop, heappush

from projections.capacity_columns import HostColumns, Mark, Mask

_LATE = 256
_SCAN_AT_FIRST = 256


class FirstFit:
    """Follows the slots of one mask for one size."""

    def __init__(self, mhz: int, mib: int) -> None:
        self._mhz, self._mib = mhz, mib
        self._mark = Mark(-1, 0)
        self._cursor = 0
        self._loose: list[int] = []
        self._queued: set[int] = set()

    def find(self, hosts: HostColumns, mask: Mask) -> int | None:
        """The lowest slot of `mask` with room, or None."""
        self._catch_up(hosts)
        loose = self._loose
        while loose:
            slot = loose[0]
            if (
                hosts.free_mib[slot] >= self._mib
                and hosts.free_mhz[slot] >= self._mhz
                and mask[slot]
            ):
                return slot
            self._queued.discard(heappop(loose))
        return self._scan(hosts, mask)

    def _catch_up(self, hosts: HostColumns) -> None:
        """Queue the slots below the cursor that were given something back since the last look."""
        raised = hosts.raised.after(self._mark, at_most=_LATE)
        self._mark = hosts.raised.mark
        if raised is None:
            # Too long ago: looking at everything once costs less than looking at all of these.
            self._cursor = 0
            self._loose.clear()
            self._queued.clear()
            return
        for slot in raised:
            if slot < self._cursor and slot not in self._queued:
                self._queued.add(slot)
                heappush(self._loose, slot)

    def _scan(self, hosts: HostColumns, mask: Mask) -> int | None:
        """Look on from the cursor, in ever wider strides."""
        start, width, count = self._cursor, _SCAN_AT_FIRST, len(hosts)
        while start < count:
            stop = min(start + width, count)
            room = hosts.free_mhz[start:stop] >= self._mhz
            room &= hosts.free_mib[start:stop] >= self._mib
            room &= mask[start:stop]
            at = int(room.argmax())
            if room[at]:
                self._cursor = start + at
                return self._cursor
            start, width = stop, width * 4
        self._cursor = count
        return None
