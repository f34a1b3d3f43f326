"""A guest operating system that templates can be marked with."""

from __future__ import annotations

from uuid import UUID

import msgspec

from aggregates.base import Aggregate
from aggregates.record import record


@record("os_type", references={"category_id": "os_category"})
class OsType(Aggregate):
    category_id: UUID
    name: str
    is_user_defined: bool = False
    is_displayed: bool = True
    details: dict[str, str] = msgspec.field(default_factory=dict)
