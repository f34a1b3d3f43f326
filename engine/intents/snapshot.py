"""What may be asked of a snapshot and of the policies that take them."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct, field

from aggregates.snapshot import MANUAL
from engine.intents.ending import ending


class CreateSnapshot(Struct, frozen=True, kw_only=True):
    """It belongs to who owns the volume. A policy's run says which, and its interval."""

    snapshot_id: UUID
    volume_id: UUID
    name: str
    interval: str = MANUAL
    policy_id: UUID | None = None
    tags: dict[str, str] = field(default_factory=dict)


class DeleteSnapshot(Struct, frozen=True, kw_only=True):
    """Volumes that were made from it stay: each has its own copy."""

    snapshot_id: UUID


class RevertSnapshot(Struct, frozen=True, kw_only=True):
    """The volume becomes what it was. What was written to it since is lost."""

    snapshot_id: UUID


class SetSnapshotPolicy(Struct, frozen=True, kw_only=True):
    """A volume has one policy an interval: another one takes its place."""

    id: UUID
    volume_id: UUID
    interval: str
    schedule: str
    timezone: str
    max_snapshots: int
    now_ms: int
    is_displayed: bool = True
    tags: dict[str, str] = field(default_factory=dict)


ending("snapshot", lambda snapshot: DeleteSnapshot(snapshot_id=snapshot.id))
