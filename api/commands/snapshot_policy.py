"""Snapshot policies: when snapshots of a volume are taken of their own accord."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.commands.custom_id import KeepsId
from api.commands.vm_checks import refuse_later
from api.declare import Caller, Job, Names, OneOf, Roles, Success, command
from api.errors import InvalidValue, missing
from api.lists import Displayed, Filter, list_command
from api.views.snapshot import SnapshotPolicyView
from engine.intents.job import AsJob
from engine.intents.record import RemoveRecord, Together, UpdateRecord
from engine.intents.snapshot import SetSnapshotPolicy
from projections.snapshot_policy import INTERVALS, SnapshotPolicy, snapshot_policies

KIND = "snapshot_policy"


@command(
    "createSnapshotPolicy",
    returns=SnapshotPolicyView,
    key="snapshotpolicy",
    allow="ARDU",
    action="SNAPSHOTPOLICY.CREATE",
)
class CreateSnapshotPolicy:
    """Have snapshots of a volume taken; one policy an interval, a new one takes its place."""

    volume_id: Annotated[UUID, "the volume", Names("volume", right="operate")]
    interval_type: Annotated[str, "HOURLY, DAILY, WEEKLY or MONTHLY", OneOf(*INTERVALS)]
    schedule: Annotated[str, "MM, MM:HH or MM:HH:DD, as the interval needs"]
    timezone: Annotated[str, "the time zone of the schedule, such as Europe/Berlin"]
    max_snaps: Annotated[int, "how many stay: the oldest go"]
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None
    zone_ids: Annotated[
        tuple[UUID, ...] | None, "not offered: copies in other zones", Names("zone")
    ] = None
    storage_ids: Annotated[
        tuple[UUID, ...] | None, "not offered: copies in other pools", Names("storage_pool")
    ] = None
    use_storage_replication: Annotated[bool | None, "not offered"] = None
    tags: Annotated[dict[str, str] | None, "tags that each of its snapshots is given"] = None

    async def run(self, caller: Caller) -> SnapshotPolicy:
        refuse_later(self, ("zone_ids", "storage_ids", "use_storage_replication"))
        ask = SetSnapshotPolicy(
            id=caller.new_id(),
            volume_id=self.volume_id,
            interval=self.interval_type,
            schedule=self.schedule,
            timezone=self.timezone,
            max_snapshots=self.max_snaps,
            now_ms=caller.now_ms,
            is_displayed=self.for_display is not False,
            tags=self.tags or {},
        )
        return caller.cloud[snapshot_policies][await caller.decide(ask)]


@command(
    "updateSnapshotPolicy",
    returns=SnapshotPolicyView,
    key="snapshotpolicy",
    allow="ARDU",
    is_async=True,
    action="SNAPSHOTPOLICY.UPDATE",
)
class UpdateSnapshotPolicy(KeepsId):
    """Show a policy to its owner, or hide it; another schedule is another policy."""

    id: Annotated[UUID | None, "the policy; always needed", Names(KIND, right="operate")] = None
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None

    async def run(self, caller: Caller) -> Job:
        if self.id is None:
            raise missing("updateSnapshotPolicy", "id")
        fields = {} if self.for_display is None else {"is_displayed": self.for_display}
        ask = UpdateRecord(kind=KIND, id=self.id, fields=fields)
        return await caller.submit(AsJob(ask=ask, subject_kind=KIND, subject_id=self.id))


@command("deleteSnapshotPolicies", returns=Success, allow="ARDU", action="SNAPSHOTPOLICY.DELETE")
class DeleteSnapshotPolicies:
    """Take no more snapshots by these policies; those that were taken stay."""

    id: Annotated[UUID | None, "a policy", Names(KIND, right="operate")] = None
    ids: Annotated[tuple[UUID, ...] | None, "several", Names(KIND, right="operate")] = None

    async def run(self, caller: Caller) -> None:
        if (self.id is None) == (not self.ids):
            raise InvalidValue("say either id, or ids of several policies")
        named = dict.fromkeys(self.ids or ()) if self.id is None else {self.id: None}
        asks = tuple(RemoveRecord(kind=KIND, id=one) for one in named)
        await caller.decide(Together(asks=asks))


@list_command(
    "listSnapshotPolicies",
    view=SnapshotPolicyView,
    table=snapshot_policies,
    key="snapshotpolicy",
    keyword=("schedule",),
)
class ListSnapshotPolicies(Displayed):
    """List the policies by which snapshots are taken."""

    volume_id: Annotated[UUID | None, "of this volume", Names("volume", right="see")] = None
    for_display: Annotated[
        bool | None, "shown to their owners, or not", Roles("Admin"), Filter("is_displayed")
    ] = None
