"""A primary storage pool: where the disks of guests live.

Its free space is a fold of `space.*` events, decided together with the events here.
"""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

import msgspec

from aggregates.base import Aggregate, Event, aggregate, event


class PoolState(StrEnum):
    INITIALIZING = "Initializing"
    UP = "Up"
    DISABLED = "Disabled"
    MAINTENANCE = "Maintenance"


@aggregate("storage_pool")
class StoragePool(Aggregate):
    """`scope` is ZONE, CLUSTER or HOST, and says which hosts reach it."""

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

    def apply(self, row: StoragePool, at_ms: int) -> None:
        row.name, row.tags = self.name, list(self.tags)
        if row.state in (PoolState.UP, PoolState.DISABLED):
            row.state = PoolState.UP if self.enabled else PoolState.DISABLED


@event("storage_pool.removed", removes=True)
class StoragePoolRemoved(Event, frozen=True, kw_only=True):
    pass
