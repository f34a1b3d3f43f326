"""Storage pools as they are read."""

from aggregates.host import Host
from aggregates.storage_pool import PoolState, StoragePool
from projections.table import table

storage_pools = table(StoragePool, indexed=("zone_id", "pod_id", "cluster_id", "host_id"))


def is_reached(pool: StoragePool, host: Host) -> bool:
    """Whether the host sees the pool: it is its own, its cluster's, or its zone's."""
    return (
        pool.zone_id == host.zone_id
        and pool.cluster_id in (None, host.cluster_id)
        and pool.host_id in (None, host.id)
    )


__all__ = ["PoolState", "StoragePool", "is_reached", "storage_pools"]
