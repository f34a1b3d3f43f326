"""A guest operating system that templates can be marked with."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record("os_type", references={"category_id": "os_category"})
class OsType(Aggregate):
    category_id: UUID
    name: str
    is_user_defined: bool = False
