"""A family of guest operating systems."""

from __future__ import annotations

from aggregates.base import Aggregate
from aggregates.record import record


@record("os_category", unique=("name",))
class OsCategory(Aggregate):
    name: str
    is_featured: bool = False
    sort_key: int = 0
