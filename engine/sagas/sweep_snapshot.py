"""Remove a snapshot of ours that the log does not have there, with a record of what it was."""

from __future__ import annotations

from aggregates.errors import NotAllowed
from aggregates.finding import FindingKind, FindingMended, FindingOpened
from engine.intents.finding import SweepSnapshot
from engine.saga import Run, Saga
from projections.finding import findings
from projections.snapshot import snapshots
from projections.storage_pool import storage_pools

sweep_snapshot = Saga(
    "sweep.snapshot:1",
    SweepSnapshot,
    subject="storage_pool",
    subject_id=lambda ask: ask.pool_id,
    forward_only=True,
)


def _belongs(run: Run[SweepSnapshot]) -> bool:
    """By the log, or because a job is making it just now: its record comes before its file."""
    snapshot = run.cloud[snapshots].get(run.intent.snapshot_id)
    return snapshot is not None and snapshot.pool_id == run.intent.pool_id


@sweep_snapshot.step
def report(run: Run[SweepSnapshot]) -> None:
    ask = run.intent
    if _belongs(run):
        raise NotAllowed(f"snapshot {ask.snapshot_id} belongs in that pool by now")
    opened = FindingOpened(
        finding=FindingKind.ORPHAN_DISK,
        place_id=ask.pool_id,
        subject=str(ask.snapshot_id),
        text=ask.text,
    )
    run.create(ask.finding_id, opened)


@sweep_snapshot.step(timeout_s=600)
async def remove(run: Run[SweepSnapshot]) -> None:
    ask = run.intent
    if _belongs(run) or ask.pool_id not in run.cloud[storage_pools]:
        return
    session, pool = await run.world.hosts.with_pool(ask.pool_id)
    await session.remove_snapshot(pool, ask.snapshot_id, key=run.key)


@sweep_snapshot.step
def mended(run: Run[SweepSnapshot]) -> None:
    run.change(run.row(findings, run.intent.finding_id), FindingMended(how="it was removed"))
