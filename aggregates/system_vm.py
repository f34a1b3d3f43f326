"""A system virtual machine of a zone: what moves images, and what shows consoles.

For now it is a record: its states are moved by what operators ask, and no guest runs behind it.
"""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record

SECONDARY_STORAGE, CONSOLE_PROXY = "secondarystoragevm", "consoleproxy"


@record(
    "system_vm",
    unique=(("zone_id", "kind"),),
    references={
        "zone_id": "zone",
        "host_id": "host",
        "service_offering_id": "service_offering",
    },
)
class SystemVm(Aggregate):
    """`host_id` is where an operator placed it last."""

    name: str
    zone_id: UUID
    kind: str
    host_id: UUID | None = None
    service_offering_id: UUID | None = None
    state: str = "Running"
