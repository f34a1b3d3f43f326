"""A small picture by which people tell things apart."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record("resource_icon", unique=(("resource_id",),))
class ResourceIcon(Aggregate):
    """`image` is base64 of a PNG, JPEG or SVG."""

    kind: str
    resource_id: UUID
    image: str
