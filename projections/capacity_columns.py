"""Hosts as columns: one slot a host, shaped for the question "who has room for this guest?".

`free_*` is what a host offers less what is held or promised. Whoever keeps something derived from
the columns learns from trails which slots to look at again.

The columns that are read one by one lie in arrays of Python's, which share their
memory with numpy: a look at one number there costs a tenth of what it costs in numpy.
"""

from __future__ import annotations

from array import array
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from aggregates.capacity import CapacitySupplied, capacity_ledger
from projections.cluster_sums import Sums
from projections.interned import Interned

_ROOM_AT_FIRST = 256
_TRAIL_KEPT = 1 << 17
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_COLUMNS = (
    "cluster",
    "cores",
    "core_mhz",
    "enabled",
    "free_mhz",
    "free_mib",
    "hypervisor",
    "offered_mhz",
    "offered_mib",
    "pod",
    "tags",
    "zone",
)
# Those that are also read one by one, and the arrays that they lie in.
_POINTS = {
    "cluster": "_cluster",
    "free_mhz": "mhz",
    "free_mib": "mib",
    "offered_mhz": "most_mhz",
    "offered_mib": "most_mib",
}


class Trail:
    """Slots in the order in which something happened to them. Old entries are dropped at times.

    A mark is how many there ever were: whoever keeps one reads on from there.
    """

    __slots__ = ("_dropped", "_slots", "mark")

    def __init__(self) -> None:
        self._slots: list[int] = []
        self._dropped = self.mark = 0

    def add(self, slot: int) -> None:
        self.mark += 1
        slots = self._slots
        slots.append(slot)
        if len(slots) > _TRAIL_KEPT:
            self._dropped += len(slots)
            slots.clear()

    def after(self, mark: int, *, at_most: int) -> list[int] | None:
        """What came after `mark`; None for more than one would want to read, or if it is gone."""
        start = mark - self._dropped
        if start < 0 or self.mark - mark > at_most:
            return None
        return self._slots[start:]


class HostColumns:
    """Every host that was ever supplied, in order of its first event. A slot is never reused."""

    cluster: Ints
    cores: Ints
    core_mhz: Ints
    enabled: Ints
    free_mhz: Ints
    free_mib: Ints
    hypervisor: Ints
    offered_mhz: Ints
    offered_mib: Ints
    pod: Ints
    tags: Ints
    zone: Ints
    mhz: array[int]
    mib: array[int]
    _cluster: array[int]
    most_mhz: array[int]
    most_mib: array[int]

    def __init__(self) -> None:
        self.ids: list[UUID] = []
        self.streams: list[UUID] = []
        self.versions: list[int] = []
        self.supplies: list[CapacitySupplied | None] = []
        # By the number of a host's id: a number's hash costs a third of an id's.
        self.numbered: dict[int, int] = {}
        self.places: Interned[UUID] = Interned()
        self.hypervisors: Interned[str] = Interned()
        self.tag_sets: Interned[frozenset[str]] = Interned()
        self.changed = Trail()  # what the host offers is another thing now
        self.raised = Trail()  # it may have more free than before
        self.moved = Trail()  # it has more or less free than before
        self.clusters = Sums()
        self.room = 0
        self._grow(_ROOM_AT_FIRST)

    def __len__(self) -> int:
        return len(self.ids)

    def slot(self, host_id: UUID) -> int:
        """The slot of a host; a new one, that offers nothing, for a host never seen."""
        known = self.numbered.get(host_id.int)
        if known is not None:
            return known
        if len(self.ids) == self.room:
            self._grow(self.room)
        self.numbered[host_id.int] = slot = len(self.ids)
        self.ids.append(host_id)
        self.streams.append(capacity_ledger(host_id))
        self.versions.append(0)
        self.supplies.append(None)
        return slot

    def slot_of(self, host_id: UUID) -> int | None:
        """The slot of a host, if it has one."""
        return self.numbered.get(host_id.int)

    def cluster_at(self, slot: int) -> int:
        """The number of its cluster; what it says of a host never supplied means nothing."""
        return self._cluster[slot]

    def supply(self, slot: int, row: CapacitySupplied | None) -> None:
        """Replace what a host offers; None offers nothing."""
        used_mhz, used_mib = self.used(slot)
        self._count(slot, -1)
        before, self.supplies[slot] = self.supplies[slot], row
        if before is not None and (row is None or row.cluster_id != before.cluster_id):
            self.clusters.regrouped += 1
        self.enabled[slot] = row is not None and row.enabled
        self.offered_mhz[slot] = row.offered_mhz if row else 0
        self.offered_mib[slot] = row.offered_mib if row else 0
        self.cores[slot] = row.cpu_count if row else 0
        self.core_mhz[slot] = row.cpu_mhz if row else 0
        self.free_mhz[slot] = self.offered_mhz[slot] - used_mhz
        self.free_mib[slot] = self.offered_mib[slot] - used_mib
        if row is not None:
            self.zone[slot] = self.places.number(row.zone_id)
            self.pod[slot] = self.places.number(row.pod_id)
            self.cluster[slot] = self.places.number(row.cluster_id)
            self.hypervisor[slot] = self.hypervisors.number(row.hypervisor)
            self.tags[slot] = self.tag_sets.number(frozenset(row.tags))
        self._count(slot, 1)
        for trail in (self.changed, self.raised, self.moved):
            trail.add(slot)

    def shift(self, slot: int, mhz: int, mib: int) -> None:
        """Give room back to a host; negative amounts take it."""
        self.mhz[slot] += mhz
        self.mib[slot] += mib
        if self.supplies[slot] is not None:
            place, clusters = self._cluster[slot], self.clusters
            clusters.used_mhz[place] -= mhz
            clusters.used_mib[place] -= mib
        self.moved.add(slot)
        if mib > 0 or mhz > 0:
            self.raised.add(slot)

    def share(self, slot: int) -> float:
        """How empty a host is: its free share of CPU plus its free share of memory."""
        mhz = self.mhz[slot] / (self.most_mhz[slot] or 1)
        return mhz + self.mib[slot] / (self.most_mib[slot] or 1)

    def shares(self, slots: Ints) -> NDArray[np.float64]:
        """The same of many."""
        mhz = self.free_mhz[slots] / np.maximum(self.offered_mhz[slots], 1)
        mib = self.free_mib[slots] / np.maximum(self.offered_mib[slots], 1)
        found: NDArray[np.float64] = mhz + mib
        return found

    def used(self, slot: int) -> tuple[int, int]:
        """MHz and MiB of a host that are held or promised."""
        return (
            self.most_mhz[slot] - self.mhz[slot],
            self.most_mib[slot] - self.mib[slot],
        )

    def _count(self, slot: int, sign: int) -> None:
        """Count a host among those of its cluster, or no more; one that offers nothing is not."""
        if self.supplies[slot] is not None:
            offered = self.most_mhz[slot], self.most_mib[slot]
            self.clusters.count(self._cluster[slot], offered, self.used(slot), sign)

    def _grow(self, more: int) -> None:
        for name in _COLUMNS:
            wider = array("q", bytes(8 * (self.room + more)))
            column = np.frombuffer(wider, np.int64)
            if self.room:
                column[: self.room] = getattr(self, name)
            setattr(self, name, column)
            if name in _POINTS:
                setattr(self, _POINTS[name], wider)
        self.room += more
