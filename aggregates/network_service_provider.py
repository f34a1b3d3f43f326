"""A provider of network services on a physical network, such as the virtual router."""

from __future__ import annotations

from uuid import UUID

import msgspec

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "network_service_provider",
    unique=(("physical_network_id", "name"),),
    references={"physical_network_id": "physical_network"},
)
class NetworkServiceProvider(Aggregate):
    physical_network_id: UUID
    name: str
    services: list[str] = msgspec.field(default_factory=list)
    state: str = "Disabled"
