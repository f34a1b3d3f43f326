"""Volumes as they are read."""

from aggregates.volume import Volume
from projections.table import table

volumes = table(
    Volume,
    indexed=("account_id", "domain_id", "vm_id", "pool_id", "snapshot_id", "zone_id", "name"),
)

__all__ = ["Volume", "volumes"]
