"""An instance group: a name under which its owner gathers guests."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "instance_group",
    unique=(("account_id", "name"),),
    references={"account_id": "account", "domain_id": "domain"},
)
class InstanceGroup(Aggregate):
    name: str
    account_id: UUID
    domain_id: UUID
