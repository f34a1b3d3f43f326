"""Regions as they are read."""

from aggregates.region import HERE, Region
from projections.table import table

regions = table(Region, indexed=("number", "name"))

__all__ = ["HERE", "Region", "regions"]
