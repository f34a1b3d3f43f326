"""Clusters that no new guest goes to: they are worked on, or what is left is for those that grow.

How full is what the capacity ledgers say; from where on is a setting of each cluster. A host that
was named is taken all the same: whoever names one has decided.
"""

from __future__ import annotations

from random import Random
from typing import Any, cast
from uuid import UUID

import numpy as np

from aggregates.errors import NotAllowed
from aggregates.operation_settings import DISABLES
from engine.allocator import Policy, at_random, first_fit, pack, spread
from projections.capacity import Capacity
from projections.cloud import Cloud
from projections.cluster import clusters
from projections.host import hosts
from projections.rolling_maintenance import rolling_clusters
from projections.setting import is_on, number_of, settings, value_of

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
    return worked_on(cloud) | _filled(cloud, zone_id, mhz, mib)


def worked_on(cloud: Cloud) -> frozenset[UUID]:
    """The clusters in rolling maintenance."""
    return frozenset(rolling_clusters(cloud))


def is_filled(cloud: Cloud, zone_id: UUID, host_id: UUID) -> bool:
    """Whether the host's cluster, with all that is promised there by now, is beyond a threshold."""
    if not is_on(cloud, "cluster.threshold.enabled", zone_id):
        return False
    columns = cloud.view(Capacity).hosts
    number, sums = columns.cluster[columns.numbered[host_id.int]], columns.clusters
    cluster_id = cast(UUID, columns.places.values[number])
    for name, used, offered in (
        (DISABLES["cpu"], sums.used_mhz, sums.offered_mhz),
        (DISABLES["memory"], sums.used_mib, sums.offered_mib),
    ):
        share = number_of(cloud, name, cluster_id, zone_id)
        if offered[number] > 0 and used[number] > share * offered[number]:
            return True
    return False


def _filled(cloud: Cloud, zone_id: UUID, mhz: int, mib: int) -> frozenset[UUID]:
    """The clusters that a guest of this size would fill beyond their thresholds."""
    if not is_on(cloud, "cluster.threshold.enabled", zone_id):
        return frozenset()
    columns = cloud.view(Capacity).hosts
    places, sums = columns.places.values, columns.clusters
    full: Any = False
    for name, used, more, offered in (
        (DISABLES["cpu"], np.array(sums.used_mhz), mhz, np.array(sums.offered_mhz)),
        (DISABLES["memory"], np.array(sums.used_mib), mib, np.array(sums.offered_mib)),
    ):
        share: Any = number_of(cloud, name, zone_id)
        for row in cloud[settings].by("name", name):
            if row.scope == "cluster" and (number := columns.places.find(row.scope_id)) >= 0:
                share = share + np.zeros(len(offered))
                share[number] = float(row.value)
        # Where nothing is offered, nothing is full.
        full |= (used + more > share * offered) & (offered > 0)
    return frozenset(cast(UUID, places[number]) for number in np.flatnonzero(full))
