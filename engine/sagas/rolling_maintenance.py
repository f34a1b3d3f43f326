"""Work on hosts one after the other, while their clusters take no new guests.

Every host is looked at before anything starts; each is then a job of its own, so that a crash finds
it where it was. However it ends, the clusters are open again: that a host failed is how the work
went, which the answer tells, and no failure of the job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from uuid import UUID, uuid5

from aggregates.errors import Busy, DomainError, NotAllowed, NotFound
from aggregates.record import RECORDS
from aggregates.rolling_maintenance import (
    RollingMaintenance,
    RollingMaintenanceBegun,
    RollingMaintenanceEnded,
    RollState,
)
from drivers.contract.errors import Refused, Unavailable
from drivers.contract.hooks import HookEnd, HookResult, HookStage
from engine.intents import By
from engine.intents.rolling_maintenance import RollHost, RollHosts
from engine.intents.saga import CancelJob
from engine.saga import Run, Saga
from engine.sagas.host_roll import SCRIPT_S, refuse_to_roll, run_stage, skip
from projections.cluster import clusters
from projections.host import hosts
from projections.rolling_maintenance import rolling_maintenances
from projections.saga import RunState, saga_runs

# As long as the hosts of a zone may take in turn.
TURNS_S = 30 * SCRIPT_S
SIDE_BY_SIDE = 8

roll_hosts = Saga(
    "hosts.roll:1", RollHosts, subject="rolling_maintenance", subject_id=lambda ask: ask.id
)


def _roll(run: Run[RollHosts]) -> RollingMaintenance:
    return run.row(rolling_maintenances, run.intent.id)


@roll_hosts.step
def begin(run: Run[RollHosts]) -> None:
    """Refused as a whole if a host cannot be worked on; a forced one leaves that host out."""
    ask = run.intent
    left_out = dict(_left_out(run))
    if left_out and not ask.forced:
        raise NotAllowed("; ".join(left_out.values()))
    cluster_ids = list(dict.fromkeys(run.row(hosts, one).cluster_id for one in ask.host_ids))
    for cluster_id in cluster_ids:
        _take(run, cluster_id)
    begun = RollingMaintenanceBegun(
        job_id=run.id, cluster_ids=cluster_ids, host_ids=ask.host_ids, forced=ask.forced
    )
    run.create(ask.id, begun)
    for host_id, why in left_out.items():
        skip(run, ask.id, host_id, why, failed=False)


@begin.undo
def give_up(run: Run[RollHosts]) -> None:
    _end(run, success=False, details=run.cloud[saga_runs][run.id].error_text)


def _left_out(run: Run[RollHosts]) -> Iterator[tuple[UUID, str]]:
    """The hosts that cannot be worked on as things are, and why."""
    for host_id in run.intent.host_ids:
        try:
            refuse_to_roll(run, run.row(hosts, host_id))
        except DomainError as refused:
            yield host_id, str(refused)


def _take(run: Run[RollHosts], cluster_id: UUID) -> None:
    """A cluster is in one rolling maintenance at a time."""
    cluster = run.row(clusters, cluster_id)
    if (other := run.cloud[rolling_maintenances].get(cluster.rolling_id)) is not None:
        raise Busy(f"cluster {cluster.name}", "in rolling maintenance", other.job_id)
    changed = RECORDS["cluster"].update(cluster, {"rolling_id": run.intent.id})
    assert changed is not None
    run.change(cluster, changed)


def _end(run: Run[RollHosts], *, success: bool, details: str) -> None:
    """It is over, and its clusters are what their operator has them be."""
    roll = _roll(run)
    if roll.state is RollState.ENDED:
        return
    for cluster_id in roll.cluster_ids:
        cluster = run.cloud[clusters].get(cluster_id)
        if cluster is not None and cluster.rolling_id == roll.id:
            changed = RECORDS["cluster"].update(cluster, {"rolling_id": None})
            assert changed is not None
            run.change(cluster, changed)
    run.change(roll, RollingMaintenanceEnded(success=success, details=details))


@roll_hosts.step(timeout_s=SCRIPT_S)
async def pre_flight(run: Run[RollHosts]) -> dict[UUID, HookResult]:
    """Every host that is still to be worked on is asked whether it is ready."""
    waiting = [one for one in run.intent.host_ids if not _roll(run).is_told(one)]
    turns = asyncio.Semaphore(SIDE_BY_SIDE)

    async def ask(host_id: UUID) -> HookResult:
        key = uuid5(run.key, str(host_id))
        async with turns:
            try:
                return await run_stage(run, host_id, HookStage.PRE_FLIGHT, run.intent.scripts, key)
            except (Refused, Unavailable, NotFound) as error:
                return HookResult(end=HookEnd.FAILED, said=str(error))

    async with asyncio.TaskGroup() as group:
        asked = {one: group.create_task(ask(one)) for one in waiting}
    return {one: task.result() for one, task in asked.items()}


@pre_flight.undo
async def settle(run: Run[RollHosts]) -> None:
    """Who gives up waits for the host at work: its job is cancelled, and says how it left it."""
    for host_id in run.intent.host_ids:
        child = run.cloud[saga_runs].get(_child(run, host_id))
        if child is None or child.state.is_over:
            continue
        if child.state is RunState.RUNNING and not child.cancelled:
            with suppress(NotAllowed):  # It has just ended, or gives up already.
                await run.world.children.decide(CancelJob(job_id=child.id), _by(run))
        await run.world.children.outcome(child.id)


@roll_hosts.step(no_undo="how the beginning is undone says how it ended")
def weigh(run: Run[RollHosts]) -> None:
    """What is not ready is left out; one failure is enough that nothing is begun."""
    for host_id, result in run[pre_flight].items():
        host = run.cloud[hosts].get(host_id)
        name = "" if host is None else f" of host {host.name}"
        if result.end is HookEnd.FAILED:
            why = f"{HookStage.PRE_FLIGHT}{name} failed: {result.said}"
            skip(run, run.intent.id, host_id, why, failed=True)
        elif result.end is HookEnd.AVOID:
            why = f"left alone by {HookStage.PRE_FLIGHT}: {result.said}".removesuffix(": ")
            skip(run, run.intent.id, host_id, why, failed=False)


@roll_hosts.step(timeout_s=TURNS_S, no_undo="hosts that were worked on stay so")
async def take_turns(run: Run[RollHosts]) -> dict[UUID, str]:
    """Each host by a job of its own; says which of them could not begin, and why."""
    ask, refused = run.intent, dict[UUID, str]()
    for number, host_id in enumerate(ask.host_ids):
        if _roll(run).stopped_by is not None or (refused and not ask.forced):
            break
        if _roll(run).is_told(host_id):
            continue
        await _tell(run, number)
        why = await _turn(run, host_id)
        if why and not _roll(run).is_told(host_id):
            refused[host_id] = why
    return refused


@roll_hosts.step(no_undo="the last step: nothing after it can fail")
def end(run: Run[RollHosts]) -> None:
    for host_id, why in run[take_turns].items():
        skip(run, run.intent.id, host_id, why, failed=True)
    roll = _roll(run)
    stopped, total = roll.stopped_by, len(roll.host_ids)
    details = f"{len(roll.updated)} of {total} hosts were worked on, {len(roll.skipped)} were not"
    if stopped is not None:
        untold = total - len(roll.updated) - len(roll.skipped)
        details = f"it stopped at host {stopped.name}: {stopped.reason}"
        details += f" ({untold} hosts were not begun)" if untold else ""
    _end(run, success=stopped is None, details=details)


async def _turn(run: Run[RollHosts], host_id: UUID) -> str:
    """Work on one host; why it did not go well, or empty."""
    ask = RollHost(roll_id=run.intent.id, host_id=host_id, scripts=run.intent.scripts)
    try:
        job = await run.world.children.submit(ask, _by(run), run_id=_child(run, host_id))
    except DomainError as refused:
        return str(refused)
    return await run.world.children.outcome(job.id)


async def _tell(run: Run[RollHosts], number: int) -> None:
    host, total = run.cloud[hosts].get(run.intent.host_ids[number]), len(run.intent.host_ids)
    name = "that was removed" if host is None else host.name
    await run.progress(100 * number // total, f"host {name}, {number + 1} of {total}")


def _child(run: Run[RollHosts], host_id: UUID) -> UUID:
    """The job of a host, the same in every life of the controller."""
    return uuid5(run.id, f"turn of {host_id}")


def _by(run: Run[RollHosts]) -> By:
    return By(account_id=run.account_id, user_id=run.user_id)
