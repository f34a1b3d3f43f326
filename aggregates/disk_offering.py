"""A disk offering: the size and manner of a data disk."""

from __future__ import annotations

from uuid import UUID

import msgspec

from aggregates.base import Aggregate
from aggregates.record import record


@record("disk_offering")
class DiskOffering(Aggregate):
    """`size_bytes` is None where whoever makes a volume says how large it is.

    `rates` are limits by their names on the wire, such as `bytesreadrate`; with `is_strict` a
    volume keeps the size that it has.
    """

    name: str
    display_text: str = ""
    size_bytes: int | None = None
    is_customized: bool = False
    storage_tags: list[str] = msgspec.field(default_factory=list)
    storage_type: str = "shared"
    provisioning_type: str = "thin"
    cache_mode: str = "none"
    min_iops: int | None = None
    max_iops: int | None = None
    is_customized_iops: bool = False
    rates: dict[str, int] = msgspec.field(default_factory=dict)
    is_strict: bool = False
    snapshot_reserve: int | None = None
    is_displayed: bool = True
    details: dict[str, str] = msgspec.field(default_factory=dict)
    domain_ids: list[UUID] = msgspec.field(default_factory=list)
    zone_ids: list[UUID] = msgspec.field(default_factory=list)
    state: str = "Active"
    sort_key: int = 0
