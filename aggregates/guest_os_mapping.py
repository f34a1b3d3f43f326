"""What a hypervisor calls a guest operating system."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "guest_os_mapping",
    unique=(("hypervisor", "hypervisor_version", "os_type_id"),),
    references={"os_type_id": "os_type"},
)
class GuestOsMapping(Aggregate):
    hypervisor: str
    hypervisor_version: str
    os_type_id: UUID
    name_for_hypervisor: str
    is_user_defined: bool = True
