"""Many guests of one size at once: what `place` would answer to each, one after the other.

First fit and pack go on with the same host until it is full, so a host is chosen once for as many
as it takes. Each answer leaves to others only what those before it left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


# A place for one guest: the slot of its host, the host, and what the guest leaves to others there.
Seat = tuple[int, UUID, tuple[int, int]]


def promise_alike(
    capacity: Capacity, slots: Iterator[int], ask: PlaceRequest, guests: Sequence[Guest]
) -> list[HostDecision]:
    """Promise hosts to as many of the guests as there is room for, in their order.

    `slots` answers with the next host as it is to be after what was taken so far.
    """
    seats = _seats(capacity, slots, ask, len(guests))
    cores, mhz, mib = ask.cpu_count, ask.cpu_count * ask.cpu_mhz, ask.memory_mib
    held = [
        CapacityHeld(
            hold=hold, host_id=host_id, vm_id=vm_id, cpu_count=cores, cpu_mhz=mhz, memory_mib=mib
        )
        for (_, host_id, _), (vm_id, hold) in zip(seats, guests, strict=False)
    ]
    made = capacity.promise_all([slot for slot, _, _ in seats], held)
    return [
        HostDecision((Write(one.stream, one.expected, one.event, slack),), host_id)
        for one, (_, host_id, slack) in zip(made, seats, strict=True)
    ]


def _seats(capacity: Capacity, slots: Iterator[int], ask: PlaceRequest, wanted: int) -> list[Seat]:
    """Take room for so many guests, or for as many as there is room for."""
    hosts, mhz, mib = capacity.hosts, ask.cpu_count * ask.cpu_mhz, ask.memory_mib
    stays, seats = ask.policy in STAYING, list[Seat]()
    while wanted and (slot := next(slots, None)) is not None:
        free_mhz, free_mib, fit = hosts.mhz[slot], hosts.mib[slot], 1
        if stays:
            # At least the one that the host was chosen for.
            by_cpu = free_mhz // mhz if mhz else wanted
            fit = max(1, min(wanted, by_cpu, free_mib // mib if mib else wanted))
        hosts.shift(slot, -fit * mhz, -fit * mib)
        host_id = hosts.ids[slot]
        for _ in range(fit):
            free_mhz, free_mib = free_mhz - mhz, free_mib - mib
            seats.append((slot, host_id, (free_mhz, free_mib)))
        wanted -= fit
    return seats
