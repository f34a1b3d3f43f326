"""Load balancer rules as they are read."""

from aggregates.load_balancer_rule import LoadBalancerRule
from projections.table import table

load_balancer_rules = table(
    LoadBalancerRule,
    indexed=(
        "account_id",
        "domain_id",
        "ip_address_id",
        "network_id",
        "ssl_cert_id",
        "name",
    ),
)

__all__ = ["LoadBalancerRule", "load_balancer_rules"]
