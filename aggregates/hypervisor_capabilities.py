"""What a kind of hypervisor is let do, by version; `default` is every version not named."""

from __future__ import annotations

import msgspec

from aggregates.base import Aggregate
from aggregates.record import record


@record("hypervisor_capabilities", unique=(("hypervisor", "hypervisor_version"),))
class HypervisorCapabilities(Aggregate):
    """`max_data_volumes` is how many data disks a guest may have; the other limits are told to
    tools and bind nothing: how many guests a host takes follows from its capacity. `cannot` is
    what the driver says that this kind does not do, by verb or feature, with the reason."""

    hypervisor: str
    hypervisor_version: str = "default"
    max_guests: int = 500
    max_data_volumes: int = 14
    max_hosts_per_cluster: int | None = None
    security_group_enabled: bool = False
    storage_motion_enabled: bool = False
    vm_snapshot_enabled: bool = False
    cannot: dict[str, str] = msgspec.field(default_factory=dict)
