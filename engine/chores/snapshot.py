"""Snapshots that policies want: what has fallen due is taken, what is too many goes.

A run is named after the policy and the time that it was due, so that it is taken once however
often the controller dies around it. Of runs that were missed while no controller lived, the latest
is taken and no other.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID, uuid5

from msgspec.structs import replace

from aggregates.errors import DomainError
from aggregates.schedule import schedule_of
from aggregates.snapshot import SnapshotState
from engine.chores.chore import BY, chore
from engine.engine import Engine
from engine.intents import By
from engine.intents.record import RemoveRecord, UpdateRecord
from engine.intents.snapshot import CreateSnapshot, DeleteSnapshot
from projections.pieces import pieces
from projections.snapshot import snapshots
from projections.snapshot_policy import SnapshotPolicy, snapshot_policies
from projections.volume import volumes

# So far apart may the clocks of controllers be that do this one after the other.
SKEW_MS = 600_000


@chore(every_s=60)
async def take_due_snapshots(engine: Engine, now_ms: int) -> None:
    async for some in pieces(list(engine.cloud[snapshot_policies])):
        for policy in some:
            with suppress(DomainError):  # It was removed at this very moment.
                await _see_to(engine, policy, now_ms)


async def _see_to(engine: Engine, policy: SnapshotPolicy, now_ms: int) -> None:
    if policy.volume_id not in engine.cloud[volumes]:
        await engine.decide(RemoveRecord(kind="snapshot_policy", id=policy.id), _by(policy))
        return
    due_ms = schedule_of(policy.interval, policy.schedule, policy.timezone).last_until(now_ms)
    # Taken in the future: the clock was set back, and that time may be a year away.
    is_due = due_ms > policy.taken_at_ms or policy.taken_at_ms > now_ms + SKEW_MS
    if is_due and await _take(engine, policy, due_ms):
        taken = UpdateRecord(kind="snapshot_policy", id=policy.id, fields={"taken_at_ms": due_ms})
        await engine.decide(taken, _by(policy))


async def _take(engine: Engine, policy: SnapshotPolicy, due_ms: int) -> bool:
    """Whether the run is seen to. One that another job is in the way of comes round again."""
    volume = engine.cloud[volumes][policy.volume_id]
    if volume.pool_id is None:
        return True
    snapshot_id = uuid5(policy.id, str(due_ms))
    at = datetime.fromtimestamp(due_ms / 1000, UTC)
    ask = CreateSnapshot(
        snapshot_id=snapshot_id,
        volume_id=volume.id,
        name=f"{volume.name}_{policy.interval.lower()}_{at:%Y%m%d%H%M%S}"[-255:],
        interval=policy.interval,
        policy_id=policy.id,
        tags=policy.tags,
    )
    try:
        await engine.submit(ask, _by(policy), run_id=uuid5(snapshot_id, "create"))
    except DomainError:
        return False
    return True


@chore(every_s=60)
async def drop_surplus_snapshots(engine: Engine, now_ms: int) -> None:
    """Of what a policy has taken, the newest stay."""
    async for some in pieces(list(engine.cloud[snapshot_policies])):
        for policy in some:
            taken = engine.cloud[snapshots].by("policy_id", policy.id)
            whole = [one for one in taken if one.state is SnapshotState.BACKED_UP]
            whole.sort(key=lambda one: one.created_at_ms)
            for surplus in whole[: -policy.max_snapshots]:
                await _drop(engine, surplus.id, _by(policy))


async def _drop(engine: Engine, snapshot_id: UUID, by: By) -> None:
    try:
        drop = replace(by, action="SNAPSHOT.DELETE")
        run_id = uuid5(snapshot_id, "surplus")
        await engine.submit(DeleteSnapshot(snapshot_id=snapshot_id), drop, run_id=run_id)
    except DomainError:
        return  # Another job has it now.


def _by(policy: SnapshotPolicy) -> By:
    return replace(BY, account_id=policy.account_id, action="SNAPSHOT.CREATE")
