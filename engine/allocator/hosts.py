"""The host that a request gets: its rules first, its wishes while they can be met."""

from __future__ import annotations

from collections.abc import Set
from uuid import UUID

import numpy as np

from engine.allocator.reach import reach_mask, reaches
from engine.allocator.request import PlaceRequest
from engine.allocator.search import among, find
from engine.allocator.shapes import Shape, Shapes, shape_of
from projections.capacity_columns import HostColumns, Ints, Mask
from projections.space import Space


def choose_host(
    hosts: HostColumns, shapes: Shapes, space: Space, request: PlaceRequest
) -> int | None:
    """The slot to place on, or None when every host refuses."""
    shape = shapes.get(hosts, shape_of(request))
    within = uncrowded(hosts, request)
    slot = _Search(hosts, shape, request, within).run()
    if slot is None or not request.volumes or reaches(space, hosts, slot, request.volumes):
        return slot
    # Storage rarely decides, so who reaches it is worked out only when it does.
    reach = reach_mask(space, hosts, request.volumes)
    within = reach if within is None else reach & within
    return _Search(hosts, shape, request, within).run()


def uncrowded(hosts: HostColumns, request: PlaceRequest) -> Mask | None:
    """The hosts outside the clusters that take no new guest; None if that is all of them."""
    if not request.crowded or request.host_id is not None:
        return None
    mask: Mask = ~np.isin(hosts.cluster, [hosts.places.find(one) for one in request.crowded])
    return mask


class _Search:
    """One request among the hosts of its shape, and `within` a mask if there is one."""

    def __init__(
        self, hosts: HostColumns, shape: Shape, request: PlaceRequest, within: Mask | None = None
    ) -> None:
        self.hosts, self.shape, self.request, self.within = hosts, shape, request, within
        self.mhz, self.mib = request.cpu_count * request.cpu_mhz, request.memory_mib

    def run(self) -> int | None:
        """With all its wishes, then with fewer of them, then with none."""
        ask, slot = self.request, None
        avoid = ask.avoid | ask.barred
        if ask.prefer:
            slot = self._among(self._allowed(ask.prefer), avoid | ask.prefer_not)
        if slot is None and ask.prefer_not:
            slot = self._anywhere(avoid | ask.prefer_not)
        return self._anywhere(avoid) if slot is None else slot

    def _anywhere(self, avoid: Set[UUID]) -> int | None:
        ask = self.request
        if ask.host_id is not None:
            return self._among(self._allowed({ask.host_id}), avoid)
        if ask.only is not None:
            return self._among(ask.only, avoid)
        barred = self._slots(avoid) if avoid else []
        return find(self.hosts, self.shape, self.mhz, self.mib, ask.policy, barred, self.within)

    def _allowed(self, named: Set[UUID]) -> Set[UUID]:
        """Those of the named hosts that the request's own bounds leave."""
        ask = self.request
        if ask.host_id is not None:
            named = named & {ask.host_id}
        return named if ask.only is None else named & ask.only

    def _among(self, named: Set[UUID], avoid: Set[UUID]) -> int | None:
        slots: Ints = np.array(sorted(self._slots(named - avoid)), np.int64)
        slots = slots[self.shape.mask[slots]]
        if self.within is not None:
            slots = slots[self.within[slots]]
        return among(self.hosts, slots, self.mhz, self.mib, self.request.policy)

    def _slots(self, ids: Set[UUID]) -> list[int]:
        known = self.hosts.slots
        return [known[one] for one in ids if one in known]
