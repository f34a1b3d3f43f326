"""A cluster: hosts of one hypervisor kind that share storage."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record

# The kinds of hypervisor that there are words for; which are driven say the drivers' folders.
HYPERVISORS = (
    *("KVM", "LXC", "Xen", "VMware", "XenServer", "Hyperv", "Ovm", "Ovm3"),
    *("BareMetal", "OpenStack", "External", "Simulator"),
)


@record(
    "cluster",
    unique=(("pod_id", "name"),),
    references={"zone_id": "zone", "pod_id": "pod"},
)
class Cluster(Aggregate):
    """Overcommit says how much more of a resource may be promised than its hosts have.

    `rolling_id` is the rolling maintenance that has it; until that is over it takes no new guests.
    """

    zone_id: UUID
    pod_id: UUID
    name: str
    hypervisor: str
    cluster_type: str = "CloudManaged"
    arch: str = "x86_64"
    allocation_state: str = "Enabled"
    managed_state: str = "Managed"
    cpu_overcommit: float = 1.0
    memory_overcommit: float = 1.0
    rolling_id: UUID | None = None
