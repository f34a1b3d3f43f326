"""A snapshot policy: when snapshots of a volume are taken by themselves, and how many stay."""

from __future__ import annotations

from uuid import UUID

import msgspec

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "snapshot_policy",
    unique=(("volume_id", "interval"),),
    references={"volume_id": "volume"},
)
class SnapshotPolicy(Aggregate):
    """`schedule` is read by `aggregates.schedule`. `taken_at_ms` is the run that was seen to last:
    what was due before it is not taken any more. `tags` are put on each snapshot.
    """

    volume_id: UUID
    account_id: UUID
    domain_id: UUID
    interval: str
    schedule: str
    timezone: str
    max_snapshots: int
    is_displayed: bool = True
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    taken_at_ms: int = 0
