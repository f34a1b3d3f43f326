"""Clusters as they are read."""

from aggregates.cluster import HYPERVISORS, Cluster
from projections.table import table

clusters = table(Cluster, indexed=("zone_id", "pod_id"))

__all__ = ["HYPERVISORS", "Cluster", "clusters"]
