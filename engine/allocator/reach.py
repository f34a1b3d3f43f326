"""Which hosts reach storage that can hold a guest's volumes, all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import numpy as np

from engine.allocator.pools import plain_most, reaches, refused
from engine.allocator.request import SpaceRequest
from projections.capacity_columns import HostColumns, Mask
from projections.space import Pool, Space


class Served(NamedTuple):
    """A pool, and the bytes up to which it takes a volume that has no rules of its own."""

    pool: Pool
    most: int
    zone: int


Reached = tuple[Served, ...]


class Reach:
    """The pools in reach of each host that was asked about, until hosts or pools are others.

    Hosts that reach the same pools share one list, so that all that is read stays small.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._hosts: HostColumns | None = None
        self._mark, self._changed = -1, space.changed
        self._by_slot: list[Reached | None] = []
        self._lists: dict[tuple[UUID, ...], Reached] = {}

    def of(self, hosts: HostColumns, slot: int) -> Reached:
        """What one host reaches: for hosts that reach the same, the same object."""
        by_slot = self.known(hosts)
        reached = by_slot[slot]
        if reached is None:
            reached = by_slot[slot] = self._reached(hosts, slot)
        return reached

    def known(self, hosts: HostColumns) -> list[Reached | None]:
        """What is known of each host by now; `of` finds out the rest."""
        if (
            hosts.changed.mark != self._mark
            or self._space.changed is not self._changed
            or hosts is not self._hosts
        ):
            self._begin(hosts)
        return self._by_slot

    def mask(self, hosts: HostColumns, volumes: Sequence[SpaceRequest]) -> Mask:
        """For every slot, whether its pools have room for the volumes."""
        mask = np.ones(hosts.room, bool)
        for volume in volumes:
            mask &= _one_mask(self._space, hosts, volume)
        if len(volumes) > 1:
            self._narrow(mask[: len(hosts)], hosts, volumes)
        return mask

    def _narrow(self, mask: Mask, hosts: HostColumns, volumes: Sequence[SpaceRequest]) -> None:
        """Of hosts that have room for each, leave those that have it for all."""
        known, verdicts = self.known(hosts), dict[int, bool]()
        for slot in np.flatnonzero(mask).tolist():
            reached = known[slot] or self.of(hosts, slot)
            verdict = verdicts.get(id(reached))
            if verdict is None:
                verdict = verdicts[id(reached)] = is_served(reached, volumes)
            mask[slot] = verdict

    def _begin(self, hosts: HostColumns) -> None:
        self._hosts, self._mark, self._changed = hosts, hosts.changed.mark, self._space.changed
        self._by_slot = [None] * hosts.room
        self._lists.clear()

    def _reached(self, hosts: HostColumns, slot: int) -> Reached:
        row = hosts.supplies[slot]
        if row is None:
            return ()
        pools = [*self._space.serving((row.host_id, row.cluster_id, row.pod_id, row.zone_id))]
        named = tuple(pool.id for pool in pools)
        if named not in self._lists:
            self._lists[named] = tuple(
                Served(pool, plain_most(supply), supply.zone_id.int)
                for pool in pools
                if (supply := pool.supply) is not None
            )
        return self._lists[named]


def is_served(reached: Reached, volumes: Sequence[SpaceRequest]) -> bool:
    """Whether these pools have room for the volumes."""
    if len(volumes) > 1:
        return _are_served(reached, volumes)
    for volume in volumes:
        if volume.tags or volume.avoid or volume.pool_id is not None:
            if not any(_may_serve(pool, volume) for pool, _, _ in reached):
                return False
            continue
        size, zone = volume.size_bytes, volume.zone_id.int
        for pool, most, served in reached:
            if pool.used_bytes + size <= most and served == zone:
                break
        else:
            return False
    return True


def _are_served(reached: Reached, volumes: Sequence[SpaceRequest]) -> bool:
    """Each is put where `choose_pool` would put it, beside those before it."""
    put: dict[UUID, int] = {}
    for volume in volumes:
        best, most_free = None, -1
        for pool, _, _ in reached:
            beside = put.get(pool.id, 0)
            if pool.free_bytes - beside > most_free and _may_serve(pool, volume, beside):
                best, most_free = pool.id, pool.free_bytes - beside
        if best is None:
            return False
        put[best] = put.get(best, 0) + volume.size_bytes
    return True


def _may_serve(pool: Pool, volume: SpaceRequest, beside: int = 0) -> bool:
    """Whether a pool that the host reaches takes the volume, wherever that was to be before."""
    row = pool.supply
    assert row is not None, "only a supplied pool serves a place"
    return (
        not refused(pool, volume, beside)
        and (volume.pool_id is None or volume.pool_id == pool.id)
        and row.zone_id == volume.zone_id
    )


def _one_mask(space: Space, hosts: HostColumns, volume: SpaceRequest) -> Mask:
    near = np.zeros(hosts.room, bool)
    clusters, pods = set(), set()
    for pool in space.pools.values():
        row = pool.supply
        if row is None or not reaches(pool, volume) or refused(pool, volume):
            continue
        if row.host_id is not None:
            if (slot := hosts.slot_of(row.host_id)) is not None:
                near[slot] = True
        elif row.cluster_id is not None:
            clusters.add(hosts.places.find(row.cluster_id))
        elif row.pod_id is not None:
            pods.add(hosts.places.find(row.pod_id))
        else:
            near |= hosts.zone == hosts.places.find(row.zone_id)
    near |= np.isin(hosts.cluster, list(clusters)) | np.isin(hosts.pod, list(pods))
    return near
