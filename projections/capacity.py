"""How much each host has left, and which promise takes what: the fold of the capacity ledgers.

The allocator marks its decisions here the moment it makes them; the event that follows confirms
them. What is saved holds only what the log holds, so a rebuild gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, ClassVar, Literal, cast
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
from projections.capacity_columns import HostColumns
from projections.cloud import projection
from projections.pending import Pending
from projections.promises import Promises
from projections.shared import share, share_decoded, shared


@dataclass(frozen=True, slots=True)
class Usage:
    """What the hosts of one place offer together, and how much of that is held or promised."""

    host_count: int
    offered_mhz: int
    used_mhz: int
    offered_mib: int
    used_mib: int


class _SavedHost(msgspec.Struct, frozen=True, array_like=True):
    host_id: UUID
    version: int
    supply: CapacitySupplied | None
    used_mhz: int
    used_mib: int


class _Saved(msgspec.Struct, frozen=True, array_like=True):
    hosts: list[_SavedHost]
    holds: list[msgspec.Raw]


@projection
class Capacity(Promises[CapacityHeld]):
    """Hosts by slot, promises by hold."""

    TOPICS: ClassVar[tuple[str, ...]] = tuple(
        e.TOPIC for e in (CapacitySupplied, CapacityWithdrawn, CapacityHeld, CapacityFreed)
    )

    HELD, FREED, HOLDER = CapacityHeld, CapacityFreed, attrgetter("vm_id")

    def __init__(self) -> None:
        super().__init__()
        self.hosts = HostColumns()

    def fold(self, recorded: Recorded) -> None:
        """Let one event of a ledger happen."""
        happened = recorded.event
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
        self._seen(held.host_id, recorded.version)
        self._keep_past(held)

    def _free_past(self, recorded: Recorded) -> None:
        freed: Any = recorded.event
        self._seen(freed.host_id, recorded.version)
        held = self.holds.get(freed.hold.int)
        if held is not None and held.host_id.int == freed.host_id.int:
            del self.holds[freed.hold.int]

    def _sum_up(self) -> None:
        used: dict[int, tuple[int, int]] = {}
        for held in self.holds.values():
            mhz, mib = used.get(held.host_id.int, (0, 0))
            used[held.host_id.int] = mhz + held.cpu_mhz, mib + held.memory_mib
        for host, (mhz, mib) in used.items():
            self.hosts.shift(self.hosts.numbered[host], -mhz, -mib)

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
        return (self.holds[hold.int] for hold in self._by_holder.of(vm_id))

    def usage(self, by: Literal["zone", "pod", "cluster"] = "zone") -> dict[UUID, Usage]:
        """Offered and used, summed over the hosts of each zone, pod or cluster."""
        hosts, count = self.hosts, len(self.hosts)
        supplied = np.fromiter((row is not None for row in hosts.supplies), bool, count)
        groups = getattr(hosts, by)[:count][supplied]
        width = len(hosts.places.values)

        def total(column: np.ndarray) -> list[int]:
            sums = np.zeros(width, np.int64)
            np.add.at(sums, groups, column[:count][supplied])
            return [int(value) for value in sums]

        counts = np.bincount(groups, minlength=width)
        mhz, mib = total(hosts.offered_mhz), total(hosts.offered_mib)
        free_mhz, free_mib = total(hosts.free_mhz), total(hosts.free_mib)
        return {
            cast(UUID, hosts.places.values[i]): Usage(
                int(counts[i]), mhz[i], mhz[i] - free_mhz[i], mib[i], mib[i] - free_mib[i]
            )
            for i in np.flatnonzero(counts)
        }

    def promise(self, slot: int, held: CapacityHeld) -> Pending:
        """Mark a decision at once, so that the next one of this turn counts it."""
        hosts, pendings = self.hosts, self.pendings
        hosts.shift(slot, -held.cpu_mhz, -held.memory_mib)
        stream, version = hosts.streams[slot], hosts.versions[slot]
        return pendings.add(pendings.takes, held.hold.int, stream, version, held, loose=True)

    def promise_all(
        self, slots: Sequence[int], keys: Iterable[int], held: Sequence[CapacityHeld]
    ) -> list[Pending]:
        """The same for many, on hosts from which their room was taken already."""
        hosts, pendings = self.hosts, self.pendings
        streams, versions = hosts.streams, hosts.versions
        ledgers, seen = [streams[slot] for slot in slots], [versions[slot] for slot in slots]
        return pendings.take_all(ledgers, seen, keys, held)

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
        saved = [_SavedHost(h, v, s, mhz, mib) for h, v, s, (mhz, mib) in rows if v]
        return msgspec.msgpack.encode(_Saved(saved, self._batches()))

    def restore(self, encoded: bytes) -> None:
        """Take over a checkpoint."""
        saved = msgspec.msgpack.decode(encoded, type=_Saved)
        self._begin_anew()
        for host in saved.hosts:
            slot = self._seen(shared(host.host_id), host.version)
            if host.supply is not None:
                share_decoded(host.supply)
            self.hosts.supply(slot, host.supply)
        self._take_over(saved.holds)

    def _seen(self, host_id: UUID, version: int) -> int:
        slot = self.hosts.slot(host_id)
        self.hosts.versions[slot] = version
        return slot

    def _hold(self, slot: int, held: CapacityHeld, mine: Pending | None) -> None:
        counts = held.hold.int not in self.holds
        if counts and mine is None:
            self.hosts.shift(slot, -held.cpu_mhz, -held.memory_mib)
        elif mine is not None and not counts:
            self.hosts.shift(slot, held.cpu_mhz, held.memory_mib)
        if counts:
            self._list(held)

    def _free(self, slot: int, freed: CapacityFreed) -> None:
        hold, host = freed.hold.int, freed.host_id.int
        held = self.holds.get(hold)
        if held is None or held.host_id.int != host:
            return
        self._unlist(held)
        self.hosts.shift(slot, held.cpu_mhz, held.memory_mib)
