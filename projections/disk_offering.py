"""Disk offerings as they are read."""

from aggregates.disk_offering import DiskOffering
from projections.table import table

disk_offerings = table(DiskOffering, indexed=("name",))

__all__ = ["DiskOffering", "disk_offerings"]
