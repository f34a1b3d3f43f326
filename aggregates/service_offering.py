"""A service offering: the size and manner of a guest."""

from __future__ import annotations

from uuid import UUID

import msgspec

from aggregates.base import Aggregate
from aggregates.record import record


@record("service_offering")
class ServiceOffering(Aggregate):
    """A customised offering leaves cores, speed or memory None for the deploy to say.

    `rates` are limits of root disks, as those of a disk offering are.
    """

    name: str
    display_text: str = ""
    cpu_count: int | None = None
    cpu_mhz: int | None = None
    memory_mib: int | None = None
    host_tags: list[str] = msgspec.field(default_factory=list)
    storage_tags: list[str] = msgspec.field(default_factory=list)
    storage_type: str = "shared"
    provisioning_type: str = "thin"
    root_disk_bytes: int | None = None
    offer_ha: bool = False
    limit_cpu_use: bool = False
    is_volatile: bool = False
    is_customized: bool = False
    is_system: bool = False
    system_vm_type: str = ""
    network_rate_mbps: int | None = None
    deployment_planner: str = ""
    details: dict[str, str] = msgspec.field(default_factory=dict)
    domain_ids: list[UUID] = msgspec.field(default_factory=list)
    zone_ids: list[UUID] = msgspec.field(default_factory=list)
    state: str = "Active"
    sort_key: int = 0
    cache_mode: str = "none"
    dynamic_scaling_enabled: bool = True
    rates: dict[str, int] = msgspec.field(default_factory=dict)
    lease_days: int | None = None
    lease_action: str = ""
