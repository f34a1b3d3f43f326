"""Snapshots as they are read."""

from aggregates.snapshot import MANUAL, Snapshot
from projections.table import table

snapshots = table(
    Snapshot,
    indexed=("account_id", "domain_id", "volume_id", "pool_id", "policy_id", "zone_id", "name"),
)

__all__ = ["MANUAL", "Snapshot", "snapshots"]
