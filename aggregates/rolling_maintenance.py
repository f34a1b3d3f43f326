"""A rolling maintenance: hosts that are worked on one after the other, and how each of them fared.

While it runs its clusters take no new guests. That follows from this row and from `rolling_id` of
the clusters, so that nothing which an operator had set has to be put back.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

import msgspec

from aggregates.base import Aggregate, Event, aggregate, event


class RollState(StrEnum):
    RUNNING = "Running"
    ENDED = "Ended"


class HostUpdated(msgspec.Struct, frozen=True, kw_only=True):
    """A host that was worked on and serves again. `output` is what its scripts said."""

    host_id: UUID
    name: str
    started_at_ms: int
    ended_at_ms: int
    output: str


class HostSkipped(msgspec.Struct, frozen=True, kw_only=True):
    """A host that was not worked on, or not well. `failed`: something went wrong with it."""

    host_id: UUID
    name: str
    reason: str
    failed: bool


@aggregate("rolling_maintenance")
class RollingMaintenance(Aggregate):
    """`host_ids` are in the order in which they are worked on, cluster by cluster."""

    GROWS_IN_PLACE: ClassVar[bool] = True

    job_id: UUID | None
    cluster_ids: list[UUID]
    host_ids: list[UUID]
    forced: bool
    state: RollState = RollState.RUNNING
    updated: list[HostUpdated] = msgspec.field(default_factory=list)
    skipped: list[HostSkipped] = msgspec.field(default_factory=list)
    success: bool = False
    details: str = ""

    @property
    def stopped_by(self) -> HostSkipped | None:
        """The host whose failure ends it; one that is forced goes on."""
        if self.forced:
            return None
        return next((one for one in self.skipped if one.failed), None)

    def is_told(self, host_id: UUID) -> bool:
        """Whether it is known how this host fared."""
        told = {one.host_id for one in self.updated} | {one.host_id for one in self.skipped}
        return host_id in told


@event("rolling_maintenance.begun", creates=RollingMaintenance)
class RollingMaintenanceBegun(Event, frozen=True, kw_only=True):
    job_id: UUID
    cluster_ids: list[UUID]
    host_ids: list[UUID]
    forced: bool


@event("rolling_maintenance.host_updated")
class RollingHostUpdated(Event, frozen=True, kw_only=True):
    host_id: UUID
    name: str
    started_at_ms: int
    output: str

    def apply(self, row: RollingMaintenance, at_ms: int) -> None:
        row.updated.append(
            HostUpdated(
                host_id=self.host_id,
                name=self.name,
                started_at_ms=self.started_at_ms,
                ended_at_ms=at_ms,
                output=self.output,
            )
        )


@event("rolling_maintenance.host_skipped")
class RollingHostSkipped(Event, frozen=True, kw_only=True):
    host_id: UUID
    name: str
    reason: str
    failed: bool

    def apply(self, row: RollingMaintenance, at_ms: int) -> None:
        row.skipped.append(
            HostSkipped(
                host_id=self.host_id, name=self.name, reason=self.reason, failed=self.failed
            )
        )


@event("rolling_maintenance.ended")
class RollingMaintenanceEnded(Event, frozen=True, kw_only=True):
    success: bool
    details: str

    def apply(self, row: RollingMaintenance, at_ms: int) -> None:
        row.state, row.job_id = RollState.ENDED, None
        row.success, row.details = self.success, self.details
