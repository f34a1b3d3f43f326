"""The element that makes a provider's routers or internal load balancers."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "router_element",
    unique=("provider_id",),
    references={"provider_id": "network_service_provider"},
)
class RouterElement(Aggregate):
    """`kind` is the provider's name; listed as a virtual router or an internal LB element."""

    provider_id: UUID
    kind: str
    enabled: bool = False
