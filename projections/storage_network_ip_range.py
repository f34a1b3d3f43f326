"""Ranges of storage networks as they are read."""

from aggregates.storage_network_ip_range import StorageNetworkIpRange
from projections.table import table

storage_network_ip_ranges = table(StorageNetworkIpRange, indexed=("zone_id", "pod_id"))

__all__ = ["StorageNetworkIpRange", "storage_network_ip_ranges"]
