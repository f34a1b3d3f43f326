"""Something more that an administrator said of a thing: a key with a value."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record("resource_detail", unique=(("resource_id", "key"),))
class ResourceDetail(Aggregate):
    """What is not displayed is for administrators alone."""

    kind: str
    resource_id: UUID
    key: str
    value: str
    is_displayed: bool = True
