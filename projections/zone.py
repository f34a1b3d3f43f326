"""Zones as they are read."""

from aggregates.zone import Zone
from projections.table import table

zones = table(Zone, indexed=("domain_id",))

__all__ = ["Zone", "zones"]
