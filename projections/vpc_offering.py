"""VPC offerings as they are read."""

from aggregates.vpc_offering import VpcOffering
from projections.table import table

vpc_offerings = table(VpcOffering, indexed=("name",))

__all__ = ["VpcOffering", "vpc_offerings"]
