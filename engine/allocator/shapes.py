"""Which hosts could ever serve a request, whatever is free on them.

Requests come in few shapes: a zone, a hypervisor, some tags, a core count and speed. For each
shape a mask over the slots is kept and follows the hosts as they change, so that a decision looks
only at what is free.
"""

from __future__ import annotations

from array import array

import numpy as np

from engine.allocator.request import PlaceRequest
from projections.capacity_columns import HostColumns, Ints, Mask

_LATE = 64
NO_SLOTS = array("q")
# What of a request does not depend on who else is served.
ShapeKey = tuple[object, ...]


def shape_of(ask: PlaceRequest) -> ShapeKey:
    return (
        ask.zone_id,
        ask.pod_id,
        ask.cluster_id,
        ask.hypervisor,
        ask.tags,
        ask.cpu_count,
        ask.cpu_mhz,
    )


def scope_mask(hosts: HostColumns, ask: PlaceRequest, span: slice | Ints) -> Mask:
    """The hosts of `span` in the zone, pod and cluster that were asked for."""
    mask: Mask = hosts.zone[span] == hosts.places.find(ask.zone_id)
    if ask.pod_id is not None:
        mask &= hosts.pod[span] == hosts.places.find(ask.pod_id)
    if ask.cluster_id is not None:
        mask &= hosts.cluster[span] == hosts.places.find(ask.cluster_id)
    return mask


def hypervisor_mask(hosts: HostColumns, ask: PlaceRequest, span: slice | Ints) -> Mask:
    if ask.hypervisor is None:
        return np.ones(len(hosts.hypervisor[span]), bool)
    mask: Mask = hosts.hypervisor[span] == hosts.hypervisors.find(ask.hypervisor)
    return mask


def tag_mask(hosts: HostColumns, ask: PlaceRequest, span: slice | Ints) -> Mask:
    """Hosts with every tag that was asked for. Sets of tags are few, so each is looked at once."""
    if not ask.tags:
        return np.ones(len(hosts.tags[span]), bool)
    sets = [isinstance(tags, frozenset) and ask.tags <= tags for tags in hosts.tag_sets.values]
    mask: Mask = np.array(sets, bool)[hosts.tags[span]] if sets else hosts.tags[span] < 0
    return mask


class Shape:
    """The mask of one shape and its slots in order. `ask` is a request of this shape.

    `flags` and `order` are for reading one by one, and share the memory of `mask` and `slots`.
    """

    mask: Mask
    slots: Ints

    def __init__(self, ask: PlaceRequest, hosts: HostColumns) -> None:
        self._ask, self._hosts, self._mark = ask, hosts, -1
        self._begin(hosts)

    def follow(self, hosts: HostColumns) -> None:
        """Catch up with the hosts that changed since the last look."""
        if hosts is self._hosts and hosts.changed.mark == self._mark:
            return
        late = hosts.changed.after(self._mark, at_most=_LATE)
        if hosts is not self._hosts or late is None or len(self.mask) != hosts.room:
            self._begin(hosts)
            return
        span = np.array(late, np.int64)
        self.mask[span] = self._eligible(hosts, span)
        self._list()
        self._mark = hosts.changed.mark

    def _begin(self, hosts: HostColumns) -> None:
        self._hosts, self._mark = hosts, hosts.changed.mark
        self.flags = bytearray(self._eligible(hosts, slice(None)).tobytes())
        self.mask = np.frombuffer(self.flags, np.bool_)
        self._list()
        self.begun = object()  # what was indexed before is asked for no more

    def _list(self) -> None:
        self.order = array("q", np.flatnonzero(self.mask).tobytes())
        self.slots = np.frombuffer(self.order, np.int64)
        self._members: dict[int, array[int]] = {}

    def members(self, hosts: HostColumns, place: int) -> array[int]:
        """The slots of one cluster in order, by its number."""
        if not self._members:
            places = hosts.cluster[self.slots]
            by_place = np.argsort(places, kind="stable")
            places, slots = places[by_place], self.slots[by_place]
            starts = np.flatnonzero(np.diff(places, prepend=-1))
            for some in np.split(slots, starts[1:]) if len(slots) else ():
                self._members[int(hosts.cluster[some[0]])] = array("q", some.tobytes())
        return self._members.get(place, NO_SLOTS)

    def _eligible(self, hosts: HostColumns, span: slice | Ints) -> Mask:
        ask = self._ask
        mask = scope_mask(hosts, ask, span)
        mask &= hosts.enabled[span] == 1
        mask &= hypervisor_mask(hosts, ask, span)
        mask &= tag_mask(hosts, ask, span)
        mask &= hosts.cores[span] >= ask.cpu_count
        mask &= hosts.core_mhz[span] >= ask.cpu_mhz
        return mask
