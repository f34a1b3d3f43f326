"""Which hosts reach storage that can hold a guest's volumes.

Each volume is looked at by itself: two that only fit into different pools still count as fitting.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

import numpy as np

from engine.allocator.pools import refusal, refused
from engine.allocator.request import SpaceRequest
from projections.capacity_columns import HostColumns, Mask
from projections.space import Pool, Space


def reaches(space: Space, hosts: HostColumns, slot: int, volumes: Iterable[SpaceRequest]) -> bool:
    """Whether one host reaches a pool with room for each of the volumes."""
    row = hosts.supplies[slot]
    if row is None:
        return False
    places = (row.host_id, row.cluster_id, row.pod_id, row.zone_id)
    return all(_served(space, places, volume) for volume in volumes)


def _served(space: Space, places: Iterable[UUID], volume: SpaceRequest) -> bool:
    return any(_may_serve(pool, volume) for pool in space.serving(places))


def _may_serve(pool: Pool, volume: SpaceRequest) -> bool:
    """Whether a pool that the host reaches takes the volume, wherever that was to be before."""
    assert pool.supply is not None, "only a supplied pool serves a place"
    return (
        not refused(pool, volume)
        and (volume.pool_id is None or volume.pool_id == pool.id)
        and pool.supply.zone_id == volume.zone_id
    )


def reach_mask(space: Space, hosts: HostColumns, volumes: Sequence[SpaceRequest]) -> Mask:
    """For every slot, what `reaches` says."""
    mask = np.ones(hosts.room, bool)
    for volume in volumes:
        mask &= _one_mask(space, hosts, volume)
    return mask


def _one_mask(space: Space, hosts: HostColumns, volume: SpaceRequest) -> Mask:
    near = np.zeros(hosts.room, bool)
    clusters, pods = set(), set()
    for pool in space.pools.values():
        row = pool.supply
        if row is None or refusal(pool, volume) is not None:
            continue
        if row.host_id is not None:
            if row.host_id in hosts.slots:
                near[hosts.slots[row.host_id]] = True
        elif row.cluster_id is not None:
            clusters.add(hosts.places.find(row.cluster_id))
        elif row.pod_id is not None:
            pods.add(hosts.places.find(row.pod_id))
        else:
            near |= hosts.zone == hosts.places.find(row.zone_id)
    near |= np.isin(hosts.cluster, list(clusters)) | np.isin(hosts.pod, list(pods))
    return near
