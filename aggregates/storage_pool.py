"""A primary storage pool: where the disks of guests live.

Its free space is a fold of `space.*` events, decided together with the events here.
"""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

import msgspec

from aggregates.base import Aggregate, Event, aggregate, event
from aggregates.errors import Busy, NotAllowed

WORTH_TELLING = 100


class PoolState(StrEnum):
    INITIALIZING = "Initializing"
    UP = "Up"
    DISABLED = "Disabled"
    PREPARING = "PrepareForMaintenance"
    MAINTENANCE = "Maintenance"


@aggregate("storage_pool")
class StoragePool(Aggregate):
    """`scope` is ZONE, CLUSTER or HOST, and says which hosts reach it.

    `stopped_vm_ids` are the guests that its maintenance stopped. What `limit_bytes` and
    `limit_iops` say is an operator's word; None is no limit.
    """

    name: str
    url: str
    scope: str
    zone_id: UUID
    hypervisor: str
    pool_type: str
    pod_id: UUID | None = None
    cluster_id: UUID | None = None
    host_id: UUID | None = None
    provider: str = "DefaultPrimary"
    tags: list[str] = msgspec.field(default_factory=list)
    overprovision: float = 2.0
    state: PoolState = PoolState.INITIALIZING
    capacity_bytes: int = 0
    used_bytes: int = 0
    job_id: UUID | None = None
    limit_bytes: int | None = None
    limit_iops: int | None = None
    details: dict[str, str] = msgspec.field(default_factory=dict)
    stopped_vm_ids: list[UUID] = msgspec.field(default_factory=list)

    @property
    def offered_bytes(self) -> int:
        """What it has for volumes: all of it, or as much as an operator lets it have."""
        if self.limit_bytes is None:
            return self.capacity_bytes
        return min(self.capacity_bytes, self.limit_bytes)

    def is_fuller_than(self, share: float) -> bool:
        """Whether more of it is really used than this share."""
        return self.used_bytes > self.capacity_bytes * share

    def measure(self, used_bytes: int) -> StoragePoolMeasured | None:
        """What is worth a fact: a change of a hundredth of it, or more."""
        changed = abs(used_bytes - self.used_bytes) * WORTH_TELLING
        return (
            StoragePoolMeasured(used_bytes=used_bytes) if changed >= self.capacity_bytes else None
        )

    def serving(self) -> None:
        """Refuse while it is out of service: nothing may run from it."""
        if self.state in (PoolState.PREPARING, PoolState.MAINTENANCE):
            raise NotAllowed(
                f"storage pool {self.name} is in maintenance: wait until that is over, or move "
                "the volume to another pool"
            )

    def idle(self) -> None:
        """Refuse while a job has the pool."""
        if self.job_id is not None:
            raise Busy(f"storage pool {self.name}", self.state, self.job_id)

    def may_be_enabled(self) -> None:
        """Maintenance is left by ending it, not by enabling the pool."""
        if self.state not in (PoolState.UP, PoolState.DISABLED):
            raise NotAllowed(f"storage pool {self.name} is {self.state}: cancel its maintenance")

    def begin_maintenance(self, job_id: UUID) -> StoragePoolMaintenanceBegun:
        self.idle()
        if self.state is not PoolState.UP:
            raise NotAllowed(f"storage pool {self.name} is {self.state}: only one that is Up can")
        return StoragePoolMaintenanceBegun(job_id=job_id)

    def end_maintenance(self) -> StoragePoolMaintenanceEnded:
        self.idle()
        if self.state is not PoolState.MAINTENANCE:
            raise NotAllowed(f"storage pool {self.name} is {self.state}: not in maintenance")
        return StoragePoolMaintenanceEnded()


@event("storage_pool.added", creates=StoragePool)
class StoragePoolAdded(Event, frozen=True, kw_only=True):
    name: str
    url: str
    scope: str
    zone_id: UUID
    hypervisor: str
    pool_type: str
    pod_id: UUID | None
    cluster_id: UUID | None
    host_id: UUID | None
    provider: str
    tags: list[str]
    overprovision: float
    job_id: UUID | None
    limit_bytes: int | None = None
    limit_iops: int | None = None
    details: dict[str, str] = msgspec.field(default_factory=dict)


@event("storage_pool.opened")
class StoragePoolOpened(Event, frozen=True, kw_only=True):
    """A host reached it and says how large it is."""

    capacity_bytes: int
    used_bytes: int

    def apply(self, row: StoragePool, at_ms: int) -> None:
        row.capacity_bytes, row.used_bytes = self.capacity_bytes, self.used_bytes
        row.state, row.job_id = PoolState.UP, None


@event("storage_pool.updated")
class StoragePoolUpdated(Event, frozen=True, kw_only=True):
    name: str
    tags: list[str]
    enabled: bool
    limit_bytes: int | None = None
    limit_iops: int | None = None
    details: dict[str, str] = msgspec.field(default_factory=dict)

    def apply(self, row: StoragePool, at_ms: int) -> None:
        row.name, row.tags = self.name, list(self.tags)
        row.limit_bytes, row.limit_iops = self.limit_bytes, self.limit_iops
        row.details = dict(self.details)
        if row.state in (PoolState.UP, PoolState.DISABLED):
            row.state = PoolState.UP if self.enabled else PoolState.DISABLED


@event("storage_pool.measured")
class StoragePoolMeasured(Event, frozen=True, kw_only=True):
    """What is really used of it has changed."""

    used_bytes: int


@event("storage_pool.maintenance_begun")
class StoragePoolMaintenanceBegun(Event, frozen=True, kw_only=True):
    """Nothing new is put into it, and what runs from it is being stopped."""

    job_id: UUID

    def apply(self, row: StoragePool, at_ms: int) -> None:
        row.state, row.job_id = PoolState.PREPARING, self.job_id


@event("storage_pool.maintenance_entered")
class StoragePoolMaintenanceEntered(Event, frozen=True, kw_only=True):
    """Nothing runs from it; these guests did."""

    stopped: list[UUID]

    def apply(self, row: StoragePool, at_ms: int) -> None:
        row.state, row.job_id, row.stopped_vm_ids = PoolState.MAINTENANCE, None, list(self.stopped)


@event("storage_pool.maintenance_ended")
class StoragePoolMaintenanceEnded(Event, frozen=True, kw_only=True):
    def apply(self, row: StoragePool, at_ms: int) -> None:
        row.state, row.job_id, row.stopped_vm_ids = PoolState.UP, None, []


@event("storage_pool.removed", removes=True)
class StoragePoolRemoved(Event, frozen=True, kw_only=True):
    pass
