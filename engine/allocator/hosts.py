"""The host that a request gets: its rules first, its wishes while they can be met."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import numpy as np

from engine.allocator.request import PlaceRequest
from engine.allocator.search import among, find
from engine.allocator.shapes import Shape, Shapes, shape_of
from projections.capacity_columns import HostColumns, Ints


def choose_host(hosts: HostColumns, shapes: Shapes, request: PlaceRequest) -> int | None:
    """The slot to place on, or None when every host refuses."""
    shape = shapes.get(hosts, shape_of(request))
    if request.prefer:
        slot = _bound(hosts, shape, request, request.prefer, request.avoid | request.prefer_not)
        if slot is not None:
            return slot
    if request.prefer_not:
        slot = _anywhere(hosts, shape, request, request.avoid | request.prefer_not)
        if slot is not None:
            return slot
    return _anywhere(hosts, shape, request, request.avoid)


def _anywhere(
    hosts: HostColumns, shape: Shape, request: PlaceRequest, avoid: frozenset[UUID]
) -> int | None:
    """Among all hosts that the request's rules allow."""
    if request.host_id is not None or request.only is not None:
        return _bound(hosts, shape, request, None, avoid)
    mhz = request.cpu_count * request.cpu_mhz
    barred = [hosts.slots[one] for one in avoid if one in hosts.slots] if avoid else []
    return find(hosts, shape, mhz, request.memory_mib, request.policy, barred)


def _bound(
    hosts: HostColumns,
    shape: Shape,
    request: PlaceRequest,
    wished: Iterable[UUID] | None,
    avoid: frozenset[UUID],
) -> int | None:
    """Among the few hosts that are named: those wished for that the rules allow."""
    named = None if wished is None else set(wished)
    for rule in (request.only, None if request.host_id is None else {request.host_id}):
        if rule is not None:
            named = set(rule) if named is None else named & rule
    assert named is not None, "without a name every host may serve"
    slots: Ints = np.array(
        sorted(hosts.slots[one] for one in named - avoid if one in hosts.slots), np.int64
    )
    mhz = request.cpu_count * request.cpu_mhz
    return among(hosts, slots[shape.mask[slots]], mhz, request.memory_mib, request.policy)
