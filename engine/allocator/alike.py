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
from projections.capacity_columns import HostColumns

STAYING: frozenset[Policy] = frozenset({first_fit, pack})


class Guest(NamedTuple):
    """Who gets a place, and under which key."""

    vm_id: UUID
    hold: UUID


def promise_alike(
    capacity: Capacity,
    slots: Iterator[int],
    ask: PlaceRequest,
    guests: Sequence[Guest],
    keys: Sequence[int],
) -> list[HostDecision]:
    """Promise hosts to as many of the guests as there is room for, in their order.

    `slots` answers with the next host as it is to be after what was taken so far. `keys` are the
    numbers of the guests' holds.
    """
    ids, cores, mhz = capacity.hosts.ids, ask.cpu_count, ask.cpu_count * ask.cpu_mhz
    chosen, slacks = _seats(capacity.hosts, slots, ask, len(guests))
    held = [
        CapacityHeld(
            hold=hold,
            host_id=ids[slot],
            vm_id=vm_id,
            cpu_count=cores,
            cpu_mhz=mhz,
            memory_mib=ask.memory_mib,
        )
        for slot, (vm_id, hold) in zip(chosen, guests, strict=False)
    ]
    return [
        HostDecision((Write(one.stream, one.expected, one.event, slack),), ids[slot])
        for one, slot, slack in zip(
            capacity.promise_all(chosen, keys, held), chosen, slacks, strict=True
        )
    ]


def _seats(
    hosts: HostColumns, slots: Iterator[int], ask: PlaceRequest, wanted: int
) -> tuple[list[int], list[tuple[int, int]]]:
    """Take room for so many guests, or as many as there is room for.

    The slot of each guest's host, and what the guest leaves to others there.
    """
    mhz, mib = ask.cpu_count * ask.cpu_mhz, ask.memory_mib
    stays = ask.policy in STAYING and ask.limits is None
    chosen, slacks = list[int](), list[tuple[int, int]]()
    free_mhz, free_mib, shift = hosts.mhz, hosts.mib, hosts.shift
    for slot in slots if wanted else ():
        has_mhz, has_mib, fit = free_mhz[slot], free_mib[slot], 0
        while True:
            has_mhz, has_mib, fit = has_mhz - mhz, has_mib - mib, fit + 1
            chosen.append(slot)
            slacks.append((has_mhz, has_mib))
            if fit == wanted or not stays or has_mhz < mhz or has_mib < mib:
                break
        shift(slot, -fit * mhz, -fit * mib)
        wanted -= fit
        if not wanted:
            break
    return chosen, slacks
