"""Storage pools as they are read."""

from aggregates.storage_pool import PoolState, StoragePool
from projections.table import table

storage_pools = table(StoragePool, indexed=("zone_id", "cluster_id", "host_id"))

__all__ = ["PoolState", "StoragePool", "storage_pools"]
