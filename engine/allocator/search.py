"""Find a slot with room for one guest among those that its shape allows.

First fit, pack and spread have an index for each size of guest. Other policies compare all slots
with room, which takes one scan over the columns; so does everything that is kept `within` a mask.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from engine.allocator.policy import Policy, first_fit
from engine.allocator.shapes import Shape
from projections.capacity_columns import HostColumns, Ints, Mask

_FEW_SLOTS = 64


def find(
    hosts: HostColumns,
    shape: Shape,
    mhz: int,
    mib: int,
    policy: Policy,
    barred: Collection[int],
    within: Mask | None = None,
) -> int | None:
    """The slot that `policy` picks of those with room; never a `barred` one, always `within`."""
    few = shape.count <= _FEW_SLOTS
    if few and not barred and within is None:
        return among(hosts, shape.slots, mhz, mib, policy)
    if within is None and (index := shape.index(mhz, mib, policy)) is not None:
        return index.find(hosts, shape.mask, barred)
    room = hosts.free_mhz >= mhz
    room &= hosts.free_mib >= mib
    room &= shape.mask
    room[list(barred)] = False
    if within is not None:
        room &= within
    slots = np.flatnonzero(room)
    return int(slots[policy(hosts, slots)]) if len(slots) else None


def among(hosts: HostColumns, slots: Ints, mhz: int, mib: int, policy: Policy) -> int | None:
    """The slot that `policy` picks of the given eligible ones."""
    room = hosts.free_mhz[slots] >= mhz
    room &= hosts.free_mib[slots] >= mib
    if policy is first_fit:
        if not len(room):
            return None
        at = int(room.argmax())
        return int(slots[at]) if room[at] else None
    fitting = slots[room]
    return int(fitting[policy(hosts, fitting)]) if len(fitting) else None
