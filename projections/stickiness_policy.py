"""Stickiness policies as they are read."""

from aggregates.stickiness_policy import StickinessPolicy
from projections.table import table

stickiness_policies = table(
    StickinessPolicy,
    indexed=(
        "account_id",
        "domain_id",
        "load_balancer_rule_id",
    ),
)

__all__ = ["StickinessPolicy", "stickiness_policies"]
