"""Which hosts could ever serve a request, whatever is free on them.

Requests come in few shapes: a zone, a hypervisor, some tags, a core count and speed. For each
shape a mask over the slots is kept and follows the hosts as they change, so that a decision looks
only at what is free.
"""

from __future__ import annotations

from collections import OrderedDict
from uuid import UUID

import numpy as np
from msgspec import Struct

from engine.allocator.first_fit import FirstFit
from engine.allocator.request import PlaceRequest
from projections.capacity_columns import HostColumns, Ints, Mark, Mask

_KEPT_SHAPES, _KEPT_SIZES = 256, 64
_LATE = 64


class ShapeKey(Struct, frozen=True):
    """What of a request does not depend on who else is served."""

    zone_id: UUID
    pod_id: UUID | None
    cluster_id: UUID | None
    hypervisor: str | None
    tags: frozenset[str]
    cpu_count: int
    cpu_mhz: int


def shape_of(request: PlaceRequest) -> ShapeKey:
    return ShapeKey(
        request.zone_id,
        request.pod_id,
        request.cluster_id,
        request.hypervisor,
        request.tags,
        request.cpu_count,
        request.cpu_mhz,
    )


def scope_mask(hosts: HostColumns, key: ShapeKey, span: slice | Ints) -> Mask:
    """The hosts of `span` in the zone, pod and cluster that were asked for."""
    mask: Mask = hosts.zone[span] == hosts.places.find(key.zone_id)
    if key.pod_id is not None:
        mask &= hosts.pod[span] == hosts.places.find(key.pod_id)
    if key.cluster_id is not None:
        mask &= hosts.cluster[span] == hosts.places.find(key.cluster_id)
    return mask


def hypervisor_mask(hosts: HostColumns, key: ShapeKey, span: slice | Ints) -> Mask:
    if key.hypervisor is None:
        return np.ones(len(hosts.hypervisor[span]), bool)
    mask: Mask = hosts.hypervisor[span] == hosts.hypervisors.find(key.hypervisor)
    return mask


def tag_mask(hosts: HostColumns, key: ShapeKey, span: slice | Ints) -> Mask:
    """Hosts with every tag that was asked for. Sets of tags are few, so each is looked at once."""
    if not key.tags:
        return np.ones(len(hosts.tags[span]), bool)
    sets = [isinstance(tags, frozenset) and key.tags <= tags for tags in hosts.tag_sets.values]
    mask: Mask = np.array(sets, bool)[hosts.tags[span]] if sets else hosts.tags[span] < 0
    return mask


class Shape:
    """The mask of one shape, its slots in order, and an index for each size of guest."""

    def __init__(self, key: ShapeKey, hosts: HostColumns) -> None:
        self.key = key
        self._sizes: OrderedDict[tuple[int, int], FirstFit] = OrderedDict()
        self.mask: Mask
        self.slots: Ints
        self._mark: Mark
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
        self.slots = np.flatnonzero(self.mask)
        self._mark = hosts.changed.mark

    def first_fit(self, mhz: int, mib: int) -> FirstFit:
        """The index for guests of this size."""
        size = (mhz, mib)
        index = self._sizes.get(size)
        if index is None:
            self._sizes[size] = index = FirstFit(mhz, mib)
            if len(self._sizes) > _KEPT_SIZES:
                self._sizes.popitem(last=False)
        else:
            self._sizes.move_to_end(size)
        return index

    def _begin(self, hosts: HostColumns) -> None:
        self._hosts, self._mark = hosts, hosts.changed.mark
        self.mask = self._eligible(hosts, slice(None))
        self.slots = np.flatnonzero(self.mask)
        self._sizes.clear()

    def _eligible(self, hosts: HostColumns, span: slice | Ints) -> Mask:
        mask = scope_mask(hosts, self.key, span)
        mask &= hosts.enabled[span] == 1
        mask &= hypervisor_mask(hosts, self.key, span)
        mask &= tag_mask(hosts, self.key, span)
        mask &= hosts.cores[span] >= self.key.cpu_count
        mask &= hosts.core_mhz[span] >= self.key.cpu_mhz
        return mask


class Shapes:
    """The shapes asked for lately."""

    def __init__(self) -> None:
        self._kept: OrderedDict[ShapeKey, Shape] = OrderedDict()

    def get(self, hosts: HostColumns, key: ShapeKey) -> Shape:
        shape = self._kept.get(key)
        if shape is None:
            self._kept[key] = shape = Shape(key, hosts)
            if len(self._kept) > _KEPT_SHAPES:
                self._kept.popitem(last=False)
            return shape
        self._kept.move_to_end(key)
        shape.follow(hosts)
        return shape
