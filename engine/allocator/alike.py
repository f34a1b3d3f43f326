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
from projections.pending import Pending

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
    hosts, pendings, takes = capacity.hosts, capacity.pendings, capacity.pendings.takes
    cores, mhz, mib = ask.cpu_count, ask.cpu_count * ask.cpu_mhz, ask.memory_mib
    stays = ask.policy in STAYING and ask.bounds is None
    made, waiting, wanted = list[HostDecision](), zip(guests, keys, strict=True), len(guests)
    for slot in slots if wanted else ():
        host_id, stream = hosts.ids[slot], hosts.streams[slot]
        has_mhz, has_mib, before = hosts.mhz[slot], hosts.mib[slot], len(made)
        line = pendings.line(stream, hosts.versions[slot])
        expected, join = line.next, line.waiting.append
        for (vm_id, hold), key in waiting:
            has_mhz, has_mib = has_mhz - mhz, has_mib - mib
            held = CapacityHeld(
                hold=hold,
                host_id=host_id,
                vm_id=vm_id,
                cpu_count=cores,
                cpu_mhz=mhz,
                memory_mib=mib,
            )
            pending = takes[key] = Pending(takes, key, stream, expected, held, True)
            join(pending)
            write = Write(stream, expected, held, (has_mhz, has_mib))
            made.append(HostDecision((write,), host_id))
            expected += 1
            if not stays or has_mhz < mhz or has_mib < mib:
                break
        line.next, fit = expected, len(made) - before
        hosts.shift(slot, -fit * mhz, -fit * mib)
        if len(made) == wanted:
            break
    return made
