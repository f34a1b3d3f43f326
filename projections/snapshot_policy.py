"""Snapshot policies as they are read."""

from aggregates.schedule import INTERVALS
from aggregates.snapshot_policy import SnapshotPolicy
from projections.table import table

snapshot_policies = table(SnapshotPolicy, indexed=("account_id", "domain_id", "volume_id"))

__all__ = ["INTERVALS", "SnapshotPolicy", "snapshot_policies"]
