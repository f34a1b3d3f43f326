"""Networks as they are read."""

from aggregates.network import Network
from projections.table import table

networks = table(Network, indexed=("account_id", "domain_id", "zone_id", "vpc_id", "name"))

__all__ = ["Network", "networks"]
