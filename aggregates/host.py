"""A host: a machine that runs guests, as the controller knows it.

What allocation needs to know of it (cores, memory, whether it may be used) is a fact of its own,
`capacity.supplied`, decided together with the events here.
"""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

import msgspec

from aggregates.base import Aggregate, Event, aggregate, event
from aggregates.errors import Busy, NotAllowed


class HostState(StrEnum):
    """Whether the controller reaches it."""

    CONNECTING = "Connecting"
    UP = "Up"
    DISCONNECTED = "Disconnected"


class ResourceState(StrEnum):
    """Whether an operator lets it be used."""

    CREATING = "Creating"
    ENABLED = "Enabled"
    DISABLED = "Disabled"
    PREPARING = "PrepareForMaintenance"
    MAINTENANCE = "Maintenance"
    ERROR = "ErrorInMaintenance"


@aggregate("host")
class Host(Aggregate):
    """`password_ref` points into the sealed store. `cpu_mhz` is the speed of one core."""

    name: str
    url: str
    hypervisor: str
    zone_id: UUID
    pod_id: UUID
    cluster_id: UUID
    username: str = ""
    password_ref: str = ""
    tags: list[str] = msgspec.field(default_factory=list)
    state: HostState = HostState.CONNECTING
    resource_state: ResourceState = ResourceState.CREATING
    resource_before: ResourceState = ResourceState.ENABLED
    hardware_id: str = ""
    hypervisor_version: str = ""
    cpu_count: int = 0
    cpu_mhz: int = 0
    memory_bytes: int = 0
    accelerated: bool = False
    capabilities: list[str] = msgspec.field(default_factory=list)
    detail: str = ""
    job_id: UUID | None = None
    disconnected_at_ms: int = 0

    @property
    def is_usable(self) -> bool:
        return self.state is HostState.UP and self.resource_state is ResourceState.ENABLED

    @property
    def is_enabled(self) -> bool:
        """Whether an operator lets it be used, once it is out of maintenance."""
        return self.resource_state is not ResourceState.DISABLED

    def idle(self) -> None:
        """Refuse while a job has the host."""
        if self.job_id is not None:
            raise Busy(f"host {self.name}", self.resource_state, self.job_id)

    def may_be_enabled(self) -> None:
        """Maintenance is left by ending it, not by enabling the host."""
        if self.resource_state not in (ResourceState.ENABLED, ResourceState.DISABLED):
            raise NotAllowed(
                f"host {self.name} is {self.resource_state}: cancel its maintenance first"
            )

    def prepare_maintenance(self, job_id: UUID) -> HostMaintenanceBegun:
        self.idle()
        if self.resource_state is not ResourceState.ENABLED:
            raise NotAllowed(
                f"host {self.name} is {self.resource_state}: only an Enabled host can be prepared "
                "for maintenance"
            )
        return HostMaintenanceBegun(job_id=job_id)

    def close(self, job_id: UUID) -> HostMaintenanceBegun:
        """Let nothing new onto it, because it is about to be removed."""
        self.idle()
        return HostMaintenanceBegun(job_id=job_id)

    def leave_maintenance(self) -> HostMaintenanceEnded:
        self.idle()
        if self.resource_state not in (ResourceState.MAINTENANCE, ResourceState.ERROR):
            raise NotAllowed(f"host {self.name} is {self.resource_state}: not in maintenance")
        return HostMaintenanceEnded()


@event("host.added", creates=Host)
class HostAdded(Event, frozen=True, kw_only=True):
    name: str
    url: str
    hypervisor: str
    zone_id: UUID
    pod_id: UUID
    cluster_id: UUID
    username: str
    password_ref: str
    tags: list[str]
    job_id: UUID | None


@event("host.connected")
class HostConnected(Event, frozen=True, kw_only=True):
    """The host answered; these are the facts that it gave of itself."""

    name: str
    hardware_id: str
    hypervisor_version: str
    cpu_count: int
    cpu_mhz: int
    memory_bytes: int
    accelerated: bool
    capabilities: list[str]
    detail: str

    def apply(self, row: Host, at_ms: int) -> None:
        for name in self.__struct_fields__:
            setattr(row, name, getattr(self, name))
        row.state = HostState.UP
        if row.resource_state is ResourceState.CREATING:
            row.resource_state, row.job_id = ResourceState.ENABLED, None


@event("host.disconnected")
class HostDisconnected(Event, frozen=True, kw_only=True):
    why: str

    def apply(self, row: Host, at_ms: int) -> None:
        row.state, row.disconnected_at_ms = HostState.DISCONNECTED, at_ms


@event("host.updated")
class HostUpdated(Event, frozen=True, kw_only=True):
    """What an operator set: its name and tags, how to reach it, whether it may be used."""

    name: str
    url: str
    tags: list[str]
    enabled: bool

    def apply(self, row: Host, at_ms: int) -> None:
        row.name, row.url, row.tags = self.name, self.url, list(self.tags)
        if row.resource_state in (ResourceState.ENABLED, ResourceState.DISABLED):
            state = ResourceState.ENABLED if self.enabled else ResourceState.DISABLED
            row.resource_state = state


@event("host.maintenance_begun")
class HostMaintenanceBegun(Event, frozen=True, kw_only=True):
    job_id: UUID

    def apply(self, row: Host, at_ms: int) -> None:
        row.resource_before = row.resource_state
        row.resource_state, row.job_id = ResourceState.PREPARING, self.job_id


@event("host.maintenance_entered")
class HostMaintenanceEntered(Event, frozen=True, kw_only=True):
    """Its guests have left. A job that goes on to work on it keeps it."""

    job_id: UUID | None = None

    def apply(self, row: Host, at_ms: int) -> None:
        row.resource_state, row.job_id = ResourceState.MAINTENANCE, self.job_id


@event("host.maintenance_failed")
class HostMaintenanceFailed(Event, frozen=True, kw_only=True):
    """Its guests could not all leave; the host is what it was before."""

    def apply(self, row: Host, at_ms: int) -> None:
        row.resource_state, row.job_id = row.resource_before, None


@event("host.maintenance_ended")
class HostMaintenanceEnded(Event, frozen=True, kw_only=True):
    def apply(self, row: Host, at_ms: int) -> None:
        row.resource_state, row.job_id = ResourceState.ENABLED, None


@event("host.removed", removes=True)
class HostRemoved(Event, frozen=True, kw_only=True):
    pass
