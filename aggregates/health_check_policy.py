"""How a load balancer finds out which of its guests can take connections."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "health_check_policy",
    unique=("load_balancer_rule_id",),
    references={"load_balancer_rule_id": "load_balancer_rule"},
)
class HealthCheckPolicy(Aggregate):
    """A guest is asked for `ping_path` every `interval_s`, and has `timeout_s` to answer."""

    load_balancer_rule_id: UUID
    account_id: UUID
    domain_id: UUID
    ping_path: str = "/"
    description: str = ""
    timeout_s: int = 2
    interval_s: int = 5
    healthy_threshold: int = 2
    unhealthy_threshold: int = 10
    is_displayed: bool = True
    state: str = "Active"
