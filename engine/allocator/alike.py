"""Many guests of one size at once: what `place` would answer to each, one after the other.

First fit and pack go on with the same host until it is full, so a host is chosen once for as many
as it takes. Each answer leaves to others only what those before it left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID

from aggregates.capacity import CapacityHeld
from engine.allocator.policy import Policy, first_fit, pack
from engine.allocator.request import HostDecision, PlaceRequest, Write
from projections.capacity import Capacity

STAYING: frozenset[Policy] = frozenset({first_fit, pack})


class Guest(NamedTuple):
    """Who gets a place, and under which key."""

    vm_id: UUID
    hold: UUID


def promise_alike(
    capacity: Capacity,
    choose: Callable[[], int | None],
    ask: PlaceRequest,
    guests: Sequence[Guest],
) -> list[HostDecision]:
    """Promise hosts to as many of the guests as there is room for, in their order."""
    found: list[HostDecision] = []
    while len(found) < len(guests) and (slot := choose()) is not None:
        fit = _how_many(capacity, slot, ask) if ask.policy in STAYING else 1
        found += _fill(capacity, slot, ask, guests[len(found) : len(found) + fit])
    return found


def _how_many(capacity: Capacity, slot: int, ask: PlaceRequest) -> int:
    """How many guests of this size a host has room for; at least the one that it was chosen for."""
    hosts, mhz = capacity.hosts, ask.cpu_count * ask.cpu_mhz
    by_cpu = hosts.mhz[slot] // mhz if mhz else 1
    by_memory = hosts.mib[slot] // ask.memory_mib if ask.memory_mib else 1
    return max(1, min(by_cpu, by_memory))


def _fill(
    capacity: Capacity, slot: int, ask: PlaceRequest, guests: Sequence[Guest]
) -> list[HostDecision]:
    hosts, mhz, mib = capacity.hosts, ask.cpu_count * ask.cpu_mhz, ask.memory_mib
    host_id, stream = hosts.ids[slot], hosts.streams[slot]
    left_mhz, left_mib = hosts.mhz[slot], hosts.mib[slot]
    held = [
        CapacityHeld(
            hold=guest.hold,
            host_id=host_id,
            vm_id=guest.vm_id,
            cpu_count=ask.cpu_count,
            cpu_mhz=mhz,
            memory_mib=mib,
        )
        for guest in guests
    ]
    found = []
    for pending in capacity.promise_all(slot, held):
        left_mhz, left_mib = left_mhz - mhz, left_mib - mib
        write = Write(stream, pending.expected, pending.event, (left_mhz, left_mib))
        found.append(HostDecision((write,), host_id))
    return found
