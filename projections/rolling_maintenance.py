"""Rolling maintenances, under way and over."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from aggregates.rolling_maintenance import RollingMaintenance, RollState
from projections.cloud import Cloud
from projections.table import table

rolling_maintenances = table(RollingMaintenance, indexed=("state",))


def rolling_clusters(cloud: Cloud) -> Iterator[UUID]:
    """The clusters that take no new guests, because their hosts are worked on in turn."""
    for row in cloud[rolling_maintenances].by("state", RollState.RUNNING):
        yield from row.cluster_ids


__all__ = ["RollState", "RollingMaintenance", "rolling_clusters", "rolling_maintenances"]
