"""How a rolling maintenance went, as clients see it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import View, date, view
from projections.cloud import Cloud
from projections.rolling_maintenance import RollingMaintenance


@view
class RollingHostUpdatedView(View, kw_only=True):
    """A host that was worked on."""

    host_id: Annotated[UUID, "the host"]
    host_name: Annotated[str, "its name"]
    start_date: Annotated[str, "when work on it began"]
    end_date: Annotated[str, "when it served again"]
    output: Annotated[str, "what the scripts on it said"]


@view
class RollingHostSkippedView(View, kw_only=True):
    """A host that was not worked on, or not well."""

    host_id: Annotated[UUID, "the host"]
    host_name: Annotated[str, "its name"]
    reason: Annotated[str, "why"]


@view
class RollingMaintenanceView(View, kw_only=True):
    success: Annotated[bool, "false if a host that failed stopped it"]
    details: Annotated[str, "how it went, in words"]
    hosts_updated: Annotated[list[RollingHostUpdatedView], "the hosts that were worked on"]
    hosts_skipped: Annotated[list[RollingHostSkippedView], "those that were not, and why"]

    @classmethod
    def of(cls, row: RollingMaintenance, cloud: Cloud) -> RollingMaintenanceView:
        return cls(
            success=row.success,
            details=row.details,
            hosts_updated=[
                RollingHostUpdatedView(
                    host_id=one.host_id,
                    host_name=one.name,
                    start_date=str(date(one.started_at_ms)),
                    end_date=str(date(one.ended_at_ms)),
                    output=one.output,
                )
                for one in row.updated
            ],
            hosts_skipped=[
                RollingHostSkippedView(host_id=one.host_id, host_name=one.name, reason=one.reason)
                for one in row.skipped
            ],
        )
