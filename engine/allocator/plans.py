"""How guests of one shape and one size are placed by one policy: found by one look.

First fit, pack and spread have an index in each plan, one that knows of full clusters where the
request has `bounds`; those of spread have a part in common. Chance draws slots until one fits,
which in a cloud that is not full is soon. Else all slots with room are compared, which takes one
scan over the columns; so does everything that is kept `within` a mask.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec
import numpy as np

from engine.allocator.clustered import Clustered
from engine.allocator.emptiest import AnySize, Emptiest
from engine.allocator.first_fit import FirstFit
from engine.allocator.policy import RANKS, AtRandom, first_fit, spread
from engine.allocator.ranked import Ranked
from engine.allocator.recent import Recent
from engine.allocator.request import PlaceRequest
from engine.allocator.shapes import Shape, ShapeKey, shape_of
from projections.capacity_columns import HostColumns, Mask
from projections.cluster_sums import Bounds

_KEPT_SHAPES, _KEPT_PLANS = 256, 128
_DRAWN = 24
_INDEXED = frozenset([first_fit, *RANKS])
Index = FirstFit | Ranked | Emptiest | Clustered
PlanKey = tuple[object, ...]


class Plan:
    """The shape of a request, the room that it wants, and the index of its policy, if it has one.

    `ask` is any request of this shape, size and policy. It is true of `hosts` as they were when
    their trail of changes was at `mark`, and of the last `bounds`; `follow` catches up. `of_all` is
    what `spread` has in common with other sizes.
    """

    __slots__ = (
        "_ask",
        "_begun",
        "_of_all",
        "bounds",
        "hosts",
        "index",
        "mark",
        "mhz",
        "mib",
        "shape",
    )

    def __init__(
        self, ask: PlaceRequest, shape: Shape, hosts: HostColumns, of_all: AnySize | None = None
    ) -> None:
        self._ask, self.shape, self._of_all = ask, shape, of_all
        self.mhz, self.mib = ask.cpu_count * ask.cpu_mhz, ask.memory_mib
        self._begun: object = None
        self.bounds: Bounds | None = None
        self.follow(hosts, bounds_that_count(ask))

    def follow(self, hosts: HostColumns, bounds: Bounds | None) -> None:
        self.shape.follow(hosts)
        self.hosts, self.mark = hosts, hosts.changed.mark
        if self.shape.begun is not self._begun or bounds is not self.bounds:
            self._begun, self.bounds = self.shape.begun, bounds
            self.index = self._new_index()

    def find(
        self,
        hosts: HostColumns,
        ask: PlaceRequest,
        barred: Collection[int],
        within: Mask | None = None,
    ) -> int | None:
        """The slot that the policy picks of those with room; never a `barred` one."""
        if within is None and self.index is not None:
            return self.index.find(hosts, barred)
        if within is None and isinstance(ask.policy, AtRandom):
            drawn = self._drawn(hosts, ask.policy, barred)
            if drawn is not None:
                return drawn
        room = hosts.free_mhz >= self.mhz
        room &= hosts.free_mib >= self.mib
        room &= self.shape.mask
        room[list(barred)] = False
        if self.bounds is not None:
            room &= self.bounds.open_mask(hosts.clusters, self.mhz, self.mib)[hosts.cluster]
        if within is not None:
            room &= within
        slots = np.flatnonzero(room)
        return int(slots[ask.policy(hosts, slots)]) if len(slots) else None

    def has_room(self, hosts: HostColumns, slot: int) -> bool:
        """Whether one slot serves a guest of this shape and size, in a cluster that may take it."""
        if hosts.mib[slot] < self.mib or hosts.mhz[slot] < self.mhz or not self.shape.flags[slot]:
            return False
        bounds = self.bounds
        return bounds is None or bounds.is_open(
            hosts.clusters, hosts.cluster_at(slot), self.mhz, self.mib
        )

    def _drawn(self, hosts: HostColumns, policy: AtRandom, barred: Collection[int]) -> int | None:
        """One of those with room, each as likely as another, or None if none came up soon."""
        order = self.shape.order
        for _ in range(_DRAWN if order else 0):
            slot = order[policy.rng.randrange(len(order))]
            if slot not in barred and self.has_room(hosts, slot):
                return slot
        return None

    def _new_index(self) -> Index | None:
        policy, bounds = self._ask.policy, self.bounds
        rank = 0 if policy is first_fit else RANKS.get(policy)
        if rank is None:
            return None
        if bounds is not None:
            return Clustered(self.shape, self.mhz, self.mib, rank, bounds)
        if self._of_all is not None:
            return Emptiest(self.shape, self.mhz, self.mib, self._of_all)
        if rank:
            return Ranked(self.shape, self.mhz, self.mib, rank)
        return FirstFit(self.shape, self.mhz, self.mib)


def bounds_that_count(ask: PlaceRequest) -> Bounds | None:
    """The bounds that count: whoever names a host has decided."""
    return ask.bounds if ask.host_id is None else None


class Plans:
    """The plans that were wanted lately, and their shapes."""

    def __init__(self) -> None:
        self._kept: Recent[PlanKey, Plan] = Recent(_KEPT_PLANS)
        self._shapes: Recent[ShapeKey, Shape] = Recent(_KEPT_SHAPES)
        self._of_all: Recent[ShapeKey, AnySize] = Recent(_KEPT_SHAPES)

    def get(self, hosts: HostColumns, ask: PlaceRequest) -> Plan:
        """The plan of a request, as the hosts are now."""
        policy, bounds = ask.policy, bounds_that_count(ask)
        key = (
            ask.memory_mib,
            ask.cpu_count,
            ask.cpu_mhz,
            # Chance is another policy each time, and none of them has an index.
            policy if policy in _INDEXED else None,
            ask.tags,
            ask.hypervisor,
            ask.zone_id.int,  # its hash costs less than the id's
            ask.pod_id,
            ask.cluster_id,
            bounds is None,
        )
        plan = self._kept.young.get(key) or self._kept.get(key)
        if plan is None:
            plan = self._new(hosts, ask)
            self._kept.put(key, plan)
        elif (
            hosts.changed.mark != plan.mark or bounds is not plan.bounds or hosts is not plan.hosts
        ):
            plan.follow(hosts, bounds)
        return plan

    def _new(self, hosts: HostColumns, ask: PlaceRequest) -> Plan:
        of_all = self._any_size(hosts, ask) if ask.policy is spread else None
        return Plan(ask, self._shape(hosts, ask), hosts, of_all)

    def _shape(self, hosts: HostColumns, ask: PlaceRequest) -> Shape:
        named = shape_of(ask)
        shape = self._shapes.get(named)
        if shape is None:
            shape = Shape(ask, hosts)
            self._shapes.put(named, shape)
        return shape

    def _any_size(self, hosts: HostColumns, ask: PlaceRequest) -> AnySize:
        ask = msgspec.structs.replace(ask, cpu_count=0, cpu_mhz=0)
        named = shape_of(ask)
        of_all = self._of_all.get(named)
        if of_all is None:
            of_all = AnySize(self._shape(hosts, ask))
            self._of_all.put(named, of_all)
        return of_all
