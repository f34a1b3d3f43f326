"""What serves a physical network's bare-metal machines while they boot: from which interface."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record

DHCP, PXE = "dhcp", "pxe"


@record(
    "baremetal_service",
    unique=(("physical_network_id", "part"),),
    references={"physical_network_id": "physical_network"},
)
class BaremetalService(Aggregate):
    """`part` is dhcp or pxe. `port` is that of boot scripts and images; 0 leaves it to the host."""

    physical_network_id: UUID
    part: str
    server_type: str
    interface: str
    port: int = 0
