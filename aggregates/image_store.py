"""An image store: where templates are kept before hosts ask for them."""

from __future__ import annotations

from uuid import UUID

import msgspec

from aggregates.base import Aggregate
from aggregates.record import record


@record("image_store", unique=("name",), references={"zone_id": "zone"})
class ImageStore(Aggregate):
    name: str
    url: str
    provider: str
    protocol: str
    zone_id: UUID | None = None
    scope: str = "ZONE"
    read_only: bool = False
    details: dict[str, str] = msgspec.field(default_factory=dict)
