"""Snapshot policies: one of each interval a volume, within what the cloud allows."""

from __future__ import annotations

from uuid import UUID

from aggregates.errors import Invalid
from aggregates.schedule import schedule_of
from engine.decide import Desk, decision
from engine.decisions import record
from engine.intents.record import CreateRecord, UpdateRecord
from engine.intents.snapshot import SetSnapshotPolicy
from projections.setting import number_of
from projections.snapshot_policy import snapshot_policies
from projections.volume import volumes


@decision
def set_policy(ask: SetSnapshotPolicy, desk: Desk) -> UUID:
    """The id of the policy: that of the one whose place it took, if there was one."""
    volume = desk.row(volumes, ask.volume_id)
    schedule_of(ask.interval, ask.schedule, ask.timezone)
    most = int(number_of(desk.cloud, f"snapshot.max.{ask.interval.lower()}"))
    if not 1 <= ask.max_snapshots <= most:
        raise Invalid(
            f"maxsnaps is {ask.max_snapshots}: {ask.interval} snapshots are from 1 to {most}, "
            f"as snapshot.max.{ask.interval.lower()} says",
            field="maxsnaps",
        )
    fields = {
        "schedule": ask.schedule,
        "timezone": ask.timezone,
        "max_snapshots": ask.max_snapshots,
        "is_displayed": ask.is_displayed,
        "tags": ask.tags,
        "taken_at_ms": ask.now_ms,
    }
    for policy in desk.cloud[snapshot_policies].by("volume_id", volume.id):
        if policy.interval == ask.interval:
            record.update(UpdateRecord(kind="snapshot_policy", id=policy.id, fields=fields), desk)
            return policy.id
    fields |= {
        "volume_id": volume.id,
        "account_id": volume.account_id,
        "domain_id": volume.domain_id,
        "interval": ask.interval,
    }
    record.create(CreateRecord(kind="snapshot_policy", id=ask.id, fields=fields), desk)
    return ask.id
