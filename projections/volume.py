"""Volumes as they are read."""

from aggregates.volume import Volume
from projections.table import table

volumes = table(
    Volume,
    indexed=(
        *("account_id", "domain_id", "zone_id", "name", "vm_id", "pool_id"),
        *("snapshot_id", "template_id"),
    ),
)

__all__ = ["Volume", "volumes"]
