"""Hosts as columns: one slot a host, shaped for the question "who has room for this guest?".

`free_*` is what a host offers less what is held or promised. For each block of slots,
`top_*` is never below the highest `free_*` in it, which lets a search skip whole blocks. A search
that finds a block without room tightens its bounds; nothing else ever lowers them.
"""

from __future__ import annotations

from collections.abc import Hashable
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from aggregates.capacity import CapacitySupplied, capacity_ledger

BLOCK = 128
Ints = NDArray[np.int64]

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


class Interned:
    """Small numbers for things that repeat, so that a column of them compares fast."""

    def __init__(self) -> None:
        self.values: list[Hashable] = []
        self._numbers: dict[Hashable, int] = {}

    def number(self, value: Hashable) -> int:
        known = self._numbers.get(value)
        if known is None:
            known = self._numbers[value] = len(self.values)
            self.values.append(value)
        return known

    def find(self, value: Hashable) -> int:
        """Its number, or -1, which no column holds, for a value never seen."""
        return self._numbers.get(value, -1)


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

    def __init__(self) -> None:
        self.ids: list[UUID] = []
        self.streams: list[UUID] = []
        self.versions: list[int] = []
        self.supplies: list[CapacitySupplied | None] = []
        self.slots: dict[UUID, int] = {}
        self.places, self.hypervisors, self.tag_sets = Interned(), Interned(), Interned()
        # Slots whose supply changed, in order: whoever keeps something derived reads on from
        # where it stopped. `epoch` counts how often this list was cut short.
        self.changed: list[int] = []
        self.epoch = 0
        self.room = 0
        self._grow(BLOCK)

    def __len__(self) -> int:
        return len(self.ids)

    def slot(self, host_id: UUID) -> int:
        """The slot of a host; a new one, that offers nothing, for a host never seen."""
        known = self.slots.get(host_id)
        if known is not None:
            return known
        if len(self.ids) == self.room:
            self._grow(self.room)
        self.slots[host_id] = slot = len(self.ids)
        self.ids.append(host_id)
        self.streams.append(capacity_ledger(host_id))
        self.versions.append(0)
        self.supplies.append(None)
        return slot

    def supply(self, slot: int, row: CapacitySupplied | None) -> None:
        """Replace what a host offers; None offers nothing."""
        used_mhz, used_mib = self.used(slot)
        self.supplies[slot] = row
        self.enabled[slot] = row is not None and row.enabled
        self.offered_mhz[slot] = row.offered_mhz if row else 0
        self.offered_mib[slot] = row.offered_mib if row else 0
        self.free_mhz[slot] = self.offered_mhz[slot] - used_mhz
        self.free_mib[slot] = self.offered_mib[slot] - used_mib
        if row is not None:
            self.zone[slot] = self.places.number(row.zone_id)
            self.pod[slot] = self.places.number(row.pod_id)
            self.cluster[slot] = self.places.number(row.cluster_id)
            self.hypervisor[slot] = self.hypervisors.number(row.hypervisor)
            self.tags[slot] = self.tag_sets.number(frozenset(row.tags))
            self.cores[slot], self.core_mhz[slot] = row.cpu_count, row.cpu_mhz
        self.shift(slot, 0, 0)
        self._note(slot)

    def shift(self, slot: int, mhz: int, mib: int) -> None:
        """Give room back to a host; negative amounts take it."""
        block = slot // BLOCK
        free = self.free_mhz[slot] + mhz
        self.free_mhz[slot] = free
        if free > self.top_mhz[block]:
            self.top_mhz[block] = free
        free = self.free_mib[slot] + mib
        self.free_mib[slot] = free
        if free > self.top_mib[block]:
            self.top_mib[block] = free

    def tighten(self, block: int) -> None:
        """Bring the bounds of a block down to what is there."""
        span = slice(block * BLOCK, (block + 1) * BLOCK)
        self.top_mhz[block] = self.free_mhz[span].max()
        self.top_mib[block] = self.free_mib[span].max()

    def used(self, slot: int) -> tuple[int, int]:
        """MHz and MiB of a host that are held or promised."""
        return (
            int(self.offered_mhz[slot] - self.free_mhz[slot]),
            int(self.offered_mib[slot] - self.free_mib[slot]),
        )

    def _note(self, slot: int) -> None:
        if len(self.changed) > 4 * self.room:
            self.changed.clear()
            self.epoch += 1
        self.changed.append(slot)

    def _grow(self, more: int) -> None:
        self.room += more
        for name in _COLUMNS:
            wider = np.zeros(self.room, np.int64)
            if more < self.room:
                wider[: self.room - more] = getattr(self, name)
            setattr(self, name, wider)
        self.top_mhz: Ints = self.free_mhz.reshape(-1, BLOCK).max(axis=1)
        self.top_mib: Ints = self.free_mib.reshape(-1, BLOCK).max(axis=1)
        self.epoch += 1
        self.changed.clear()
