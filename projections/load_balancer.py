"""Internal load balancers as they are read."""

from aggregates.load_balancer import LoadBalancer
from projections.table import table

load_balancers = table(
    LoadBalancer, indexed=("account_id", "domain_id", "network_id", "router_id", "name")
)

__all__ = ["LoadBalancer", "load_balancers"]
