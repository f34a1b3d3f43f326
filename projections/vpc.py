"""Virtual private clouds as they are read."""

from aggregates.vpc import Vpc
from projections.table import table

vpcs = table(Vpc, indexed=("account_id", "domain_id", "zone_id", "offering_id", "name"))

__all__ = ["Vpc", "vpcs"]
