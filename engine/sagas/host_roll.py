"""Work on one host of a rolling maintenance: empty it, run its operator's scripts, let it serve.

Until it is in maintenance a failure leaves the host as it was; from then on it leaves the host in
maintenance, where a person looks at it before guests come back. Kinds whose hosts run no scripts
are emptied and serve again.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aggregates.errors import NotAllowed
from aggregates.host import (
    Host,
    HostConnected,
    HostMaintenanceEnded,
    HostMaintenanceEntered,
    HostMaintenanceFailed,
    HostState,
    ResourceState,
)
from aggregates.rolling_maintenance import RollingHostSkipped, RollingHostUpdated
from drivers.contract.errors import Refused
from drivers.contract.hooks import Hook, HookEnd, HookResult, HookStage
from engine import evacuation
from engine.decisions.host import supply
from engine.intents.rolling_maintenance import RollHost, Scripts
from engine.retry import Patience
from engine.saga import Run, Saga
from engine.sagas.host_add import ask_facts
from engine.sagas.host_reconnect import end_stale
from projections.host import hosts
from projections.rolling_maintenance import rolling_maintenances
from projections.saga import saga_runs

# A script has a limit of its own; this is for one that has none left to end it.
SCRIPT_S = 86_400
# A script may restart its host, which is then away for a while.
UNTIL_BACK = Patience(attempts=70, first_s=0.2, longest_s=30.0)
DONE_IS_DONE = "what a script of an operator has done stays done"

roll_host = Saga("host.roll:1", RollHost, subject="host", subject_id=lambda ask: ask.host_id)


def refuse_to_roll(run: Run[Any], host: Host) -> None:
    """Refuse a host that could not be emptied and worked on as things are."""
    host.prepare_maintenance(run.id)
    if host.state is not HostState.UP:
        raise NotAllowed(f"host {host.name} is {host.state}: reconnect it first")
    evacuation.refuse_if_stuck(run, host)
    evacuation.refuse_if_crowded(run, host)


async def run_stage(
    run: Run[Any],
    host_id: UUID,
    stage: HookStage,
    scripts: Scripts,
    key: UUID,
    *,
    look: bool = False,
) -> HookResult:
    """How the script of a stage ended; hosts of kinds that run none have none."""
    host = run.row(hosts, host_id)
    if run.world.hosts.capabilities(host.hypervisor).why_not("run_hook") is not None:
        return HookResult(end=HookEnd.ABSENT)
    session = await run.world.hosts.session(host_id)
    hook = Hook(
        stage=stage,
        folder=scripts.folder,
        timeout_s=scripts.timeout_s,
        arguments=scripts.arguments,
        only_look=look,
    )
    return await session.run_hook(hook, key=key)


def skip(run: Run[Any], roll_id: UUID, host_id: UUID, reason: str, *, failed: bool) -> None:
    """Say once that a host was not worked on."""
    roll, host = run.row(rolling_maintenances, roll_id), run.cloud[hosts].get(host_id)
    if not roll.is_told(host_id):
        name = str(host_id) if host is None else host.name
        said = RollingHostSkipped(host_id=host_id, name=name, reason=reason, failed=failed)
        run.change(roll, said)


def _host(run: Run[RollHost]) -> Host:
    return run.row(hosts, run.intent.host_id)


def _held(run: Run[RollHost]) -> Host | None:
    """The host, if this job has it; one that it left alone may be gone by now."""
    known = run.cloud[hosts].get(run.intent.host_id)
    return _host(run) if known is not None and known.job_id == run.id else None


async def _done(run: Run[RollHost], stage: HookStage) -> HookResult:
    """The script of a stage, which must not fail."""
    ask = run.intent
    result = await run_stage(run, ask.host_id, stage, ask.scripts, run.key)
    if result.end is HookEnd.FAILED:
        raise Refused(f"{stage} failed on host {_host(run).name}: {result.said}")
    return result


@roll_host.step
def begin(run: Run[RollHost]) -> None:
    refuse_to_roll(run, _host(run))


@begin.undo
def tell_why(run: Run[RollHost]) -> None:
    host, why = run.cloud[hosts].get(run.intent.host_id), run.cloud[saga_runs][run.id].error_text
    stays = host is not None and host.resource_state is ResourceState.MAINTENANCE
    words = f"{why}; it stays in maintenance until that is cancelled" if stays else why
    skip(run, run.intent.roll_id, run.intent.host_id, words, failed=True)


@roll_host.step(timeout_s=SCRIPT_S, patience=UNTIL_BACK, no_undo=DONE_IS_DONE)
async def pre_maintenance(run: Run[RollHost]) -> HookResult:
    """A host on which there is no work to be done is left alone."""
    ask = run.intent
    host = _host(run)
    if run.world.hosts.capabilities(host.hypervisor).why_not("run_hook") is None:
        stage = HookStage.MAINTENANCE
        found = await run_stage(run, ask.host_id, stage, ask.scripts, run.key, look=True)
        if found.end is HookEnd.ABSENT:
            why = f"there is no script {stage} in {ask.scripts.folder} of the host"
            return HookResult(end=HookEnd.AVOID, said=why)
    return await _done(run, HookStage.PRE_MAINTENANCE)


@roll_host.step
def close(run: Run[RollHost]) -> bool:
    """Whether the host is worked on. Others may have filled the cluster since it was looked at."""
    ready = run[pre_maintenance]
    if ready.end is HookEnd.AVOID:
        why = f"left alone by {HookStage.PRE_MAINTENANCE}: {ready.said}".removesuffix(": ")
        skip(run, run.intent.roll_id, run.intent.host_id, why, failed=False)
        return False
    host = _host(run)
    refuse_to_roll(run, host)
    run.change(host, host.prepare_maintenance(run.id))
    supply(run, host.id)
    return True


@close.undo
def serve_again(run: Run[RollHost]) -> None:
    host = _held(run)
    if host is not None and host.resource_state is ResourceState.PREPARING:
        run.change(host, HostMaintenanceFailed())
        supply(run, host.id)


@roll_host.step(
    timeout_s=3600,
    patience=evacuation.UNTIL_EMPTY,
    no_undo="guests that moved away are well where they are",
)
async def drain(run: Run[RollHost]) -> int:
    return await evacuation.evacuate(run, run.intent.host_id) if run[close] else 0


@roll_host.step
def enter(run: Run[RollHost]) -> None:
    if run[close]:
        run.change(_host(run), HostMaintenanceEntered(job_id=run.id))


@enter.undo
def stay(run: Run[RollHost]) -> None:
    """Work on it has begun and did not end well: it is in maintenance, and nobody's."""
    if (host := _held(run)) is not None:
        run.change(host, HostMaintenanceEntered())


@roll_host.step(timeout_s=SCRIPT_S, patience=UNTIL_BACK, no_undo=DONE_IS_DONE)
async def work(run: Run[RollHost]) -> str:
    return (await _done(run, HookStage.MAINTENANCE)).said if run[close] else ""


@roll_host.step(timeout_s=SCRIPT_S, patience=UNTIL_BACK, no_undo=DONE_IS_DONE)
async def post_maintenance(run: Run[RollHost]) -> str:
    return (await _done(run, HookStage.POST_MAINTENANCE)).said if run[close] else ""


@roll_host.step(timeout_s=120, patience=UNTIL_BACK, no_undo="what a host says of itself is so")
async def look(run: Run[RollHost]) -> HostConnected | None:
    """What the host is now. Guests of ours that it started by itself end: they run elsewhere."""
    if not run[close]:
        return None
    session = await run.world.hosts.session(run.intent.host_id)
    facts = await ask_facts(session)
    await end_stale(run, run.intent.host_id, session)
    return facts


@roll_host.step(no_undo="the last step: nothing after it can fail")
def serve(run: Run[RollHost]) -> None:
    if (facts := run[look]) is None:
        return
    host = _host(run)
    run.change(host, facts, HostMaintenanceEnded())
    supply(run, host.id)
    said = (run[pre_maintenance].said, run[work], run[post_maintenance])
    updated = RollingHostUpdated(
        host_id=host.id,
        name=host.name,
        started_at_ms=run.cloud[saga_runs][run.id].created_at_ms,
        output="\n".join(words for words in said if words),
    )
    run.change(run.row(rolling_maintenances, run.intent.roll_id), updated)
