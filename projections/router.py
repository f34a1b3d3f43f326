"""Routers as they are read."""

from aggregates.router import Router
from projections.table import table

routers = table(
    Router, indexed=("account_id", "domain_id", "zone_id", "network_id", "vpc_id", "host_id")
)

__all__ = ["Router", "routers"]
