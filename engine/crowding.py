"""Clusters that no new guest goes to: they are worked on, or what is left is for those that grow.

How full is what the capacity ledgers say; from where on is a setting of each cluster. A host that
was named is taken all the same: whoever names one has decided.
"""

from __future__ import annotations

from collections.abc import Hashable
from random import Random
from uuid import UUID

import numpy as np

from aggregates.errors import NotAllowed
from aggregates.operation_settings import DISABLES
from engine.allocator import Policy, at_random, first_fit, pack, spread
from projections.capacity import Capacity
from projections.cloud import Cloud
from projections.cluster import clusters
from projections.cluster_sums import CLOSED, Bounds, bounded
from projections.host import hosts
from projections.rolling_maintenance import rolling_clusters
from projections.setting import is_on, number_of, settings, value_of

SWITCH = "cluster.threshold.enabled"
NAMES = (SWITCH, DISABLES["cpu"], DISABLES["memory"])
ROLLED = "is in rolling maintenance and takes no new guests"
# CloudStack's planners by what they prefer; the others are first fit here.
PLANNERS: dict[str, Policy] = {
    "FirstFitPlanner": first_fit,
    "UserDispersingPlanner": spread,
    "UserConcentratedPodPlanner": pack,
}
ALGORITHMS: dict[str, Policy] = {
    "firstfit": first_fit,
    "userdispersing": spread,
    "firstfitleastconsumed": spread,
    "userconcentratedpod_firstfit": pack,
}


def told(cloud: Cloud, full: frozenset[UUID]) -> list[str]:
    """What people are told of clusters that take no new guests."""
    rolled = frozenset(rolling_clusters(cloud))
    found = sorted(
        (row.name, one in rolled) for one in full if (row := cloud[clusters].get(one)) is not None
    )
    return [
        f"cluster {name} {ROLLED if is_rolled else 'is promised to its disable threshold'}"
        for name, is_rolled in found
    ]


def refuse_rolling(cloud: Cloud, host_id: UUID | None) -> None:
    """A cluster in rolling maintenance takes no new guest, not even on a host that was named."""
    host = cloud[hosts].get(host_id)
    if host is not None and host.cluster_id in rolling_clusters(cloud):
        name = cloud[clusters][host.cluster_id].name
        raise NotAllowed(f"cluster {name} {ROLLED}: wait until it is over, or name no host")


def policy_for(cloud: Cloud, planner: str, zone_id: UUID, key: UUID) -> Policy:
    """How to choose among hosts with room: as the deployment says, else as the settings do.

    Chance is drawn from the key of the step, so a step that is repeated chooses alike.
    """
    if planner:
        return PLANNERS.get(planner, first_fit)
    named = value_of(cloud, "vm.allocation.algorithm", zone_id)
    return ALGORITHMS.get(named) or at_random(Random(key.int))


def crowded(cloud: Cloud, zone_id: UUID, mhz: int, mib: int) -> frozenset[UUID]:
    """The clusters that take no guest of this size: they would be too full, or are worked on."""
    columns, bounds = cloud.view(Capacity).hosts, bounds_of(cloud, zone_id)
    closed = np.flatnonzero(~bounds.open_mask(columns.clusters, mhz, mib)).tolist()
    full = frozenset(columns.places.values[number] for number in closed)
    return full.union(rolling_clusters(cloud))


def bounds_of(cloud: Cloud, zone_id: UUID) -> Bounds:
    """Up to what the clusters of a zone may be promised: the same object until it is another.

    What it follows from is compared at each look, as that is little: a few settings, the clusters
    that are worked on, and whether what any cluster offers has changed.
    """
    sums = cloud.view(Capacity).hosts.clusters
    table = cloud[settings]
    changed = [(name, row.scope_id, row.value) for name in NAMES for row in table.by("name", name)]
    why = (sums.mark, *changed, *rolling_clusters(cloud))
    kept = sums.bounds.get(zone_id)
    if kept is None or kept.why != why:
        made = _new_bounds(cloud, zone_id, why)
        if kept is not None and made.is_as(kept):
            kept.why = why
        else:
            kept = sums.bounds[zone_id] = made
    return kept


def _new_bounds(cloud: Cloud, zone_id: UUID, why: Hashable) -> Bounds:
    columns = cloud.view(Capacity).hosts
    sums, find = columns.clusters, columns.places.find
    most = []
    for name, offered in (
        (DISABLES["cpu"], sums.offered_mhz),
        (DISABLES["memory"], sums.offered_mib),
    ):
        shares = np.full(len(offered), number_of(cloud, name, zone_id))
        for row in cloud[settings].by("name", name):
            if row.scope == "cluster" and 0 <= (number := find(row.scope_id)) < len(shares):
                shares[number] = float(row.value)
        if not is_on(cloud, SWITCH, zone_id):
            shares[:] = np.inf
        most.append(bounded(shares, offered))
    for cluster_id in rolling_clusters(cloud):
        if 0 <= (number := find(cluster_id)) < len(most[0]):
            most[0][number] = most[1][number] = CLOSED
    return Bounds(why, most[0], most[1], sums.regrouped)
