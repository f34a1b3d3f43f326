"""Health checks as they are read."""

from aggregates.health_check_policy import HealthCheckPolicy
from projections.table import table

health_check_policies = table(
    HealthCheckPolicy,
    indexed=(
        "account_id",
        "domain_id",
        "load_balancer_rule_id",
    ),
)

__all__ = ["HealthCheckPolicy", "health_check_policies"]
