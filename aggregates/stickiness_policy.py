"""How a load balancer keeps a client with the guest that it had before."""

from __future__ import annotations

from uuid import UUID

import msgspec

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "stickiness_policy",
    unique=("load_balancer_rule_id",),
    references={"load_balancer_rule_id": "load_balancer_rule"},
)
class StickinessPolicy(Aggregate):
    """A rule has one at most; it is its rule's owner's."""

    name: str
    load_balancer_rule_id: UUID
    account_id: UUID
    domain_id: UUID
    method: str
    description: str = ""
    params: dict[str, str] = msgspec.field(default_factory=dict)
    is_displayed: bool = True
    state: str = "Active"
