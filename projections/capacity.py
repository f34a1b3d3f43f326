"""How much each host has left, and which promise takes what: the fold of the capacity ledgers.

The allocator marks its decisions here the moment it makes them; the event that follows confirms
them. What is saved holds only what the log holds, so a rebuild gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast
from uuid import UUID

import msgspec
import numpy as np

from aggregates.base import Recorded
from aggregates.capacity import (
    CapacityFreed,
    CapacityHeld,
    CapacitySupplied,
    CapacityWithdrawn,
)
from aggregates.ids import id_of
from projections.capacity_columns import HostColumns, Ints
from projections.cloud import projection
from projections.interned import Interned
from projections.packed import Packed
from projections.pending import Pending
from projections.promises import Promises, as_id
from projections.shared import share, share_decoded, shared


@dataclass(frozen=True, slots=True)
class Usage:
    """What some hosts offer together, and how much of that is held or promised."""

    offered_mhz: int
    used_mhz: int
    offered_mib: int
    used_mib: int


Size = tuple[int, int, int]
"""How much one promise takes: cores, MHz over all of them, MiB."""


class _SavedHost(msgspec.Struct, frozen=True, array_like=True):
    host_id: UUID
    version: int
    supply: CapacitySupplied | None
    used_mhz: int
    used_mib: int


class _Saved(msgspec.Struct, frozen=True, array_like=True):
    hosts: list[_SavedHost]
    sizes: list[Size]
    holds: bytes


@projection
class Capacity(Promises[CapacityHeld]):
    """Hosts by slot, promises by hold."""

    TOPICS: ClassVar[tuple[str, ...]] = tuple(
        e.TOPIC for e in (CapacitySupplied, CapacityWithdrawn, CapacityHeld, CapacityFreed)
    )

    HELD, FREED = CapacityHeld, CapacityFreed
    FIELDS: ClassVar[Mapping[str, str]] = {"vm": "16s", "slot": "I", "size": "I"}

    def __init__(self) -> None:
        super().__init__()
        self.hosts = HostColumns()
        # Every size that there ever was: their numbers are the same after every rebuild.
        self._sizes: Interned[Size] = Interned()
        self._of_vm = Packed(hold="16s")
        # The cores that are promised on each host by its slot, once somebody has asked.
        self._cores: Ints | None = None

    def fold(self, recorded: Recorded) -> None:
        """Let one event of a ledger happen."""
        happened, self._cores = recorded.event, None
        mine = self.pendings.settle(recorded)
        if isinstance(happened, CapacityHeld):
            slot = self._seen(happened.host_id, recorded.version)
            self._hold(slot, happened, mine)
        elif isinstance(happened, CapacityFreed):
            self._free(self._seen(happened.host_id, recorded.version), happened)
        elif isinstance(happened, CapacitySupplied):
            share(happened)
            self.hosts.supply(self._seen(happened.host_id, recorded.version), happened)
        elif isinstance(happened, CapacityWithdrawn):
            self.hosts.supply(self._seen(happened.host_id, recorded.version), None)

    def _hold_past(self, recorded: Recorded) -> None:
        held: Any = recorded.event
        slot = self._seen_past(held.host_id, recorded.version)
        size = self._sizes.number((held.cpu_count, held.cpu_mhz, held.memory_mib))
        self._keep_late(held.hold, held.vm_id, slot, size)

    def _free_past(self, recorded: Recorded) -> None:
        freed: Any = recorded.event
        slot = self._seen_past(freed.host_id, recorded.version)
        found = self._kept(freed.hold)
        if found is not None and found[1] == slot:
            self._drop(freed.hold)

    def _seen_past(self, host_id: UUID | str, version: int) -> int:
        slot: int | None = self._named.get(host_id)
        if slot is None:
            slot = self._named[host_id] = self.hosts.slot(as_id(host_id))
        self.hosts.versions[slot] = version
        return slot

    def _sum_up(self) -> None:
        held, self._cores = self._packed.columns(), None
        of_vm = np.empty(len(held), self._of_vm.dtype)
        of_vm["key"], of_vm["hold"] = held["vm"], held["key"]
        self._of_vm.take(of_vm.tobytes())
        _, mhz, mib = np.array([(0, 0, 0), *self._sizes.values]).T[:, held["size"] + 1]
        used = np.zeros((2, len(self.hosts)), np.int64)
        np.add.at(used[0], held["slot"], mhz)
        np.add.at(used[1], held["slot"], mib)
        for slot in np.unique(held["slot"]).tolist():
            self.hosts.shift(slot, -int(used[0, slot]), -int(used[1, slot]))

    def supply_of(self, host_id: UUID) -> CapacitySupplied | None:
        """What a host offers at present; None for one unknown or withdrawn."""
        slot = self.hosts.slot_of(host_id)
        return None if slot is None else self.hosts.supplies[slot]

    def is_used(self, host_id: UUID) -> bool:
        """Whether a guest is on the host by the log, or on its way to it or from it."""
        slot = self.hosts.slot_of(host_id)
        return slot is not None and self.hosts.used(slot) != (0, 0)

    def holds_of_vm(self, vm_id: UUID) -> Iterator[CapacityHeld]:
        """The promises made to a guest: one, or two while it moves between hosts."""
        return (self.holds[int.from_bytes(hold, "big")] for (hold,) in self._of_vm.every(vm_id.int))

    def cores_on(self, numbers: Iterable[int]) -> int:
        """How many cores are promised on the hosts with ids of these numbers, by the log."""
        if self._cores is None:
            held, sizes = self._packed.columns(), [(0, 0, 0), *self._sizes.values]
            cores = np.array(sizes)[held["size"] + 1, 0]
            self._cores = np.bincount(held["slot"], cores, len(self.hosts)).astype(np.int64)
        return int(self._cores[self._slots(numbers)].sum())

    def usage_on(self, numbers: Iterable[int]) -> Usage | None:
        """What the hosts with ids of these numbers offer; None if none of them does."""
        hosts = self.hosts
        slots = [slot for slot in self._slots(numbers) if hosts.supplies[slot] is not None]
        if not slots:
            return None
        columns = hosts.offered_mhz, hosts.free_mhz, hosts.offered_mib, hosts.free_mib
        mhz, free_mhz, mib, free_mib = (int(column[slots].sum()) for column in columns)
        return Usage(mhz, mhz - free_mhz, mib, mib - free_mib)

    def _slots(self, numbers: Iterable[int]) -> list[int]:
        """Where hosts have their columns; one that was never supplied has none."""
        slot_of = self.hosts.numbered.get
        return [slot for one in numbers if (slot := slot_of(one)) is not None]

    def promise(self, slot: int, held: CapacityHeld) -> Pending:
        """Mark a decision at once, so that the next one of this turn counts it."""
        hosts, pendings = self.hosts, self.pendings
        hosts.shift(slot, -held.cpu_mhz, -held.memory_mib)
        stream, version = hosts.streams[slot], hosts.versions[slot]
        return pendings.add(pendings.takes, held.hold.int, stream, version, held, loose=True)

    def forget(self, hold: UUID) -> None:
        """Take back whatever is pending under this key; its commit failed."""
        pendings = self.pendings
        for book in (pendings.frees, pendings.takes, pendings.supplies):
            pending = book.get(hold.int)
            if pending is None:
                continue
            pendings.forget(pending)
            if isinstance(held := pending.event, CapacityHeld):
                slot = self.hosts.numbered[held.host_id.int]
                self.hosts.shift(slot, held.cpu_mhz, held.memory_mib)

    def encode(self) -> bytes:
        """What the log says, without what is pending."""
        hosts = self.hosts
        used = [hosts.used(slot) for slot in range(len(hosts))]
        for pending in self.pendings.takes.values():
            held = cast(CapacityHeld, pending.event)
            slot = hosts.numbered[held.host_id.int]
            used[slot] = (used[slot][0] - held.cpu_mhz, used[slot][1] - held.memory_mib)
        rows = zip(hosts.ids, hosts.versions, hosts.supplies, used, strict=True)
        saved = [_SavedHost(h, v, s, mhz, mib) for h, v, s, (mhz, mib) in rows]
        return msgspec.msgpack.encode(_Saved(saved, self._sizes.values, self._packed.saved()))

    def restore(self, encoded: bytes) -> None:
        """Take over a checkpoint."""
        saved = msgspec.msgpack.decode(encoded, type=_Saved)
        self._begin_anew()
        for host in saved.hosts:
            slot = self._seen(shared(host.host_id), host.version)
            if host.supply is not None:
                share_decoded(host.supply)
            self.hosts.supply(slot, host.supply)
        self._sizes = Interned(saved.sizes)
        self._take_over(saved.holds)

    def _seen(self, host_id: UUID, version: int) -> int:
        slot = self.hosts.slot(host_id)
        self.hosts.versions[slot] = version
        return slot

    def _hold(self, slot: int, held: CapacityHeld, mine: Pending | None) -> None:
        if self._keep(slot, held):
            self._of_vm.add(held.vm_id.int, held.hold.int.to_bytes(16, "big"))
            if mine is None:
                self.hosts.shift(slot, -held.cpu_mhz, -held.memory_mib)
        elif mine is not None:
            self.hosts.shift(slot, held.cpu_mhz, held.memory_mib)

    def _free(self, slot: int, freed: CapacityFreed) -> None:
        gone = self._let_go(slot, freed)
        if gone is not None:
            vm, _, number = gone
            self._of_vm.remove(int.from_bytes(vm, "big"), freed.hold.int.to_bytes(16, "big"))
            _, mhz, mib = self._sizes.values[number]
            self.hosts.shift(slot, mhz, mib)

    def _keep(self, slot: int, held: CapacityHeld) -> bool:
        """Keep a promise; False if its key holds something."""
        size = self._sizes.number((held.cpu_count, held.cpu_mhz, held.memory_mib))
        return self._packed.put(held.hold.int, held.vm_id.int.to_bytes(16, "big"), slot, size)

    def _let_go(self, slot: int, freed: CapacityFreed) -> tuple[bytes, int, int] | None:
        """Forget the promise of this key, if it is one on this host; what its record said."""
        packed, hold = self._packed, freed.hold.int
        found = packed.get(hold)
        if found is None or found[1] != slot:
            return None
        packed.remove(hold)
        return cast(tuple[bytes, int, int], found)

    def _promise_of(self, hold: UUID, *fields: Any) -> CapacityHeld:
        vm, slot, number = fields
        cpu_count, cpu_mhz, memory_mib = self._sizes.values[number]
        return CapacityHeld(
            hold=hold,
            host_id=self.hosts.ids[slot],
            vm_id=id_of(vm),
            cpu_count=cpu_count,
            cpu_mhz=cpu_mhz,
            memory_mib=memory_mib,
        )
