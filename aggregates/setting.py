"""A setting that was changed from its default."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record("setting", unique=(("name", "scope_id"),))
class Setting(Aggregate):
    """One changed value; `scope_id` is None for the whole cloud, else a zone, cluster, ..."""

    name: str
    value: str
    scope: str = "global"
    scope_id: UUID | None = None
