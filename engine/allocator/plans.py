"""How guests of one shape and one size are placed by one policy: found by one look.

First fit, pack and spread have an index in each plan. Other policies compare all slots with room,
which takes one scan over the columns; so does everything that is kept `within` a mask.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from engine.allocator.first_fit import FirstFit
from engine.allocator.policy import RANKS, first_fit
from engine.allocator.ranked import Ranked
from engine.allocator.recent import Recent
from engine.allocator.request import PlaceRequest
from engine.allocator.shapes import Shape, ShapeKey, shape_of
from projections.capacity_columns import HostColumns, Mask

_KEPT_SHAPES, _KEPT_PLANS = 256, 128
_INDEXED = frozenset([first_fit, *RANKS])
Index = FirstFit | Ranked
PlanKey = tuple[object, ...]


class Plan:
    """The shape of a request, the room that it wants, and the index of its policy, if it has one.

    `ask` is any request of this shape, size and policy. It is true of `hosts` as they were when
    their trail of changes was at `mark`; `follow` catches up.
    """

    __slots__ = ("_ask", "_begun", "hosts", "index", "mark", "mhz", "mib", "shape")

    def __init__(self, ask: PlaceRequest, shape: Shape, hosts: HostColumns) -> None:
        self._ask, self.shape = ask, shape
        self.mhz, self.mib = ask.cpu_count * ask.cpu_mhz, ask.memory_mib
        self._begun: object = None
        self.follow(hosts)

    def follow(self, hosts: HostColumns) -> None:
        self.shape.follow(hosts)
        self.hosts, self.mark = hosts, hosts.changed.mark
        if self.shape.begun is not self._begun:
            self._begun, self.index = self.shape.begun, self._new_index()

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
        room = hosts.free_mhz >= self.mhz
        room &= hosts.free_mib >= self.mib
        room &= self.shape.mask
        room[list(barred)] = False
        if within is not None:
            room &= within
        slots = np.flatnonzero(room)
        return int(slots[ask.policy(hosts, slots)]) if len(slots) else None

    def _new_index(self) -> Index | None:
        policy = self._ask.policy
        if policy is first_fit:
            return FirstFit(self.shape, self.mhz, self.mib)
        rank = RANKS.get(policy)
        return None if rank is None else Ranked(self.shape, self.mhz, self.mib, rank)


class Plans:
    """The plans that were wanted lately, and their shapes."""

    def __init__(self) -> None:
        self._kept: Recent[PlanKey, Plan] = Recent(_KEPT_PLANS)
        self._shapes: Recent[ShapeKey, Shape] = Recent(_KEPT_SHAPES)

    def get(self, hosts: HostColumns, ask: PlaceRequest) -> Plan:
        """The plan of a request, as the hosts are now."""
        policy = ask.policy
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
        )
        plan = self._kept.young.get(key) or self._kept.get(key)
        if plan is None:
            plan = self._new(hosts, ask)
            self._kept.put(key, plan)
        elif hosts.changed.mark != plan.mark or hosts is not plan.hosts:
            plan.follow(hosts)
        return plan

    def _new(self, hosts: HostColumns, ask: PlaceRequest) -> Plan:
        named = shape_of(ask)
        shape = self._shapes.get(named)
        if shape is None:
            shape = Shape(ask, hosts)
            self._shapes.put(named, shape)
        return Plan(ask, shape, hosts)
