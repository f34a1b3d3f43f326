"""The host that a request gets: its rules first, its wishes while they can be met."""

from __future__ import annotations

from collections.abc import Callable, Set
from functools import partial
from uuid import UUID

import numpy as np

from engine.allocator.policy import first_fit
from engine.allocator.reach import reach_mask, reaches
from engine.allocator.request import PlaceRequest
from engine.allocator.search import find
from engine.allocator.shapes import Shape, Shapes
from projections.capacity_columns import HostColumns, Mask
from projections.space import Space

NONE: frozenset[int] = frozenset()


def choose_host(
    hosts: HostColumns, shapes: Shapes, space: Space, request: PlaceRequest
) -> int | None:
    """The slot to place on, or None when every host refuses."""
    shape = shapes.get(hosts, request)
    within = uncrowded(hosts, request)
    slot = _chosen(hosts, shape, request, within)
    if slot is None or not request.volumes or reaches(space, hosts, slot, request.volumes):
        return slot
    # Storage rarely decides, so who reaches it is worked out only when it does.
    reach = reach_mask(space, hosts, request.volumes)
    return _chosen(hosts, shape, request, reach if within is None else reach & within)


def chooser(
    hosts: HostColumns, shapes: Shapes, space: Space, request: PlaceRequest
) -> Callable[[], int | None]:
    """What chooses for one request again and again, while nothing but room changes."""
    shape = shapes.get(hosts, request)
    plain = not (request.prefer or request.prefer_not or request.crowded)
    if not plain or request.host_id is not None or request.only is not None:
        return partial(choose_host, hosts, shapes, space, request)
    barred = _slots(hosts, request.avoid) | _slots(hosts, request.barred)
    mhz, mib = request.cpu_count * request.cpu_mhz, request.memory_mib
    look = partial(find, hosts, shape, mhz, mib, request.policy, barred)

    def choose() -> int | None:
        slot = look()
        if slot is None or not request.volumes or reaches(space, hosts, slot, request.volumes):
            return slot
        return choose_host(hosts, shapes, space, request)

    return choose


def uncrowded(hosts: HostColumns, request: PlaceRequest) -> Mask | None:
    """The hosts outside the clusters that take no new guest; None if that is all of them."""
    if not request.crowded or request.host_id is not None:
        return None
    # By place and not by search: there may be as many such clusters as there are clusters.
    is_open = np.ones(len(hosts.places.values) + 1, bool)
    is_open[[hosts.places.find(one) for one in request.crowded]] = False
    mask: Mask = is_open[hosts.cluster]
    return mask


def _chosen(hosts: HostColumns, shape: Shape, ask: PlaceRequest, within: Mask | None) -> int | None:
    """With all its wishes, then with fewer of them, then with none."""
    barred = _slots(hosts, ask.avoid) | _slots(hosts, ask.barred)
    wishes = ask.prefer or ask.prefer_not
    if not wishes and ask.host_id is None and ask.only is None:
        mhz = ask.cpu_count * ask.cpu_mhz
        return find(hosts, shape, mhz, ask.memory_mib, ask.policy, barred, within)
    search, slot = _Search(hosts, shape, ask, within), None
    if not wishes:
        return search.anywhere(barred)
    shy = barred | _slots(hosts, ask.prefer_not)
    if ask.prefer:
        slot = search.among(search.allowed(ask.prefer), shy)
    if slot is None and ask.prefer_not:
        slot = search.anywhere(shy)
    return search.anywhere(barred) if slot is None else slot


class _Search:
    """One request among the hosts of its shape, and `within` a mask if there is one."""

    __slots__ = ("ask", "hosts", "mhz", "mib", "shape", "within")

    def __init__(
        self, hosts: HostColumns, shape: Shape, ask: PlaceRequest, within: Mask | None
    ) -> None:
        self.hosts, self.shape, self.ask, self.within = hosts, shape, ask, within
        self.mhz, self.mib = ask.cpu_count * ask.cpu_mhz, ask.memory_mib

    def anywhere(self, barred: frozenset[int]) -> int | None:
        ask = self.ask
        if ask.host_id is not None:
            return self.among(self.allowed({ask.host_id}), barred)
        if ask.only is not None:
            return self.among(ask.only, barred)
        return find(self.hosts, self.shape, self.mhz, self.mib, ask.policy, barred, self.within)

    def allowed(self, named: Set[UUID]) -> Set[UUID]:
        """Those of the named hosts that the request's own bounds leave."""
        ask = self.ask
        if ask.host_id is not None:
            named = named & {ask.host_id}
        return named if ask.only is None else named & ask.only

    def among(self, named: Set[UUID], barred: frozenset[int]) -> int | None:
        """Of a few named hosts. One by one: that is cheaper than numpy for so few."""
        hosts, mask, within = self.hosts, self.shape.mask, self.within
        fitting = [
            slot
            for slot in sorted(_slots(hosts, named))
            if hosts.mib[slot] >= self.mib
            and hosts.mhz[slot] >= self.mhz
            and mask[slot]
            and slot not in barred
            and (within is None or within[slot])
        ]
        if len(fitting) < 2 or self.ask.policy is first_fit:
            return fitting[0] if fitting else None
        return fitting[self.ask.policy(hosts, np.array(fitting, np.int64))]


def _slots(hosts: HostColumns, ids: Set[UUID]) -> frozenset[int]:
    if not ids:
        return NONE
    known = hosts.slots
    return frozenset([known[one] for one in ids if one in known])
