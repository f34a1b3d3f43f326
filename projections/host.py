"""Hosts as they are read."""

from aggregates.host import Host
from projections.table import table

hosts = table(
    Host,
    indexed=("zone_id", "cluster_id", "pod_id", "hardware_id", "url", "state", "name"),
)

__all__ = ["Host", "hosts"]
