"""Find a slot with room: skip blocks by their bounds, look into a few, then scan the rest at once.

The budget of blocks keeps the worst case bounded: when bounds mislead (a block's free CPU and free
memory lie on different hosts, or on hosts of another shape), one flat scan costs less than going
on block by block. Bounds and budget change the cost and never the answer.
"""

from __future__ import annotations

import numpy as np

from engine.allocator.policy import Policy, first_fit
from engine.allocator.shapes import Mask, Shape
from projections.capacity_columns import BLOCK, HostColumns, Ints

_FEW_SLOTS = 1024
_BLOCK_BUDGET = 6


def find(
    hosts: HostColumns, shape: Shape, mhz: int, mib: int, policy: Policy, barred: list[int]
) -> int | None:
    """The slot that `policy` picks of those with room; never one of the `barred` slots."""
    mask = shape.mask
    hidden = [slot for slot in barred if mask[slot]]
    mask[hidden] = False
    try:
        if len(shape.slots) <= _FEW_SLOTS:
            slots = shape.slots[mask[shape.slots]] if hidden else shape.slots
            return among(hosts, slots, mhz, mib, policy)
        if policy is first_fit:
            return _first(hosts, shape, mhz, mib)
        room = _room(hosts, mask, slice(None), mhz, mib)
        slots = np.flatnonzero(room)
        return int(slots[policy(hosts, slots)]) if len(slots) else None
    finally:
        mask[hidden] = True


def among(hosts: HostColumns, slots: Ints, mhz: int, mib: int, policy: Policy) -> int | None:
    """The slot that `policy` picks of the given eligible ones."""
    room = hosts.free_mhz[slots] >= mhz
    room &= hosts.free_mib[slots] >= mib
    if policy is first_fit:
        if not len(room):
            return None
        at = room.argmax()
        return int(slots[at]) if room[at] else None
    fitting = slots[room]
    return int(fitting[policy(hosts, fitting)]) if len(fitting) else None


def _first(hosts: HostColumns, shape: Shape, mhz: int, mib: int) -> int | None:
    may = hosts.top_mhz >= mhz
    may &= hosts.top_mib >= mib
    may &= shape.blocks
    for _ in range(_BLOCK_BUDGET):
        block = int(may.argmax())
        if not may[block]:
            return None
        start = block * BLOCK
        room = _room(hosts, shape.mask, slice(start, start + BLOCK), mhz, mib)
        at = int(room.argmax())
        if room[at]:
            return start + at
        hosts.tighten(block)
        may[block] = False
    start = int(may.argmax()) * BLOCK
    room = _room(hosts, shape.mask, slice(start, None), mhz, mib)
    at = int(room.argmax())
    return start + at if room[at] else None


def _room(hosts: HostColumns, mask: Mask, span: slice, mhz: int, mib: int) -> Mask:
    room: Mask = hosts.free_mhz[span] >= mhz
    room &= hosts.free_mib[span] >= mib
    room &= mask[span]
    return room
