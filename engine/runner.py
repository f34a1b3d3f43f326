"""Drives saga runs: forward step by step, backward when one fails, and on again after a crash.

The run's own stream is the only state. Whatever this process knew is gone after SIGKILL; the next
one folds the log, finds every run that is not over, and carries on from what was recorded. A world
step that may have begun is repeated, or undone, under the same key.

What a step decides is committed together with the record that it succeeded, and joined with the
decisions that follow it up to the next touch of the world: one commit.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from aggregates.base import Event, Recorded
from aggregates.ids import in_order, uuid4
from aggregates.saga import (
    RunState,
    SagaFailed,
    SagaParked,
    SagaProgressed,
    SagaRun,
    SagaSucceeded,
    SagaTurned,
    StepFailed,
    StepsSucceeded,
    StepUndone,
    UndoStarted,
)
from engine import limits
from engine.clock import Clock
from engine.commits import Commits
from engine.draft import Draft
from engine.failure import Caught, Failure, failure_of
from engine.fence import Everything, Fence, Owner, superseded
from engine.log import Log, Unit
from engine.progress import Watched
from engine.retry import FORWARD_ONLY, UNDO, Patience
from engine.saga import SAGAS, Do, Run, Step
from engine.tasks import Tasks
from engine.tracing import NoTracer, Tracer
from engine.turns import Turns
from engine.under_way import Rounds
from engine.world import World
from projections.cloud import Cloud
from projections.saga import saga_runs

log_ = logging.getLogger("sagastack.saga")

CONFLICTS_MAX = 100
RELEASE_S = 5.0
CANCELLED = "the job was cancelled"
# Failures after which a step may have happened all the same.
UNSURE = ("Unknown", "Bug")
# Failures of a place, and not of what was asked of it.
OUT_OF_REACH = ("Unavailable", "Unknown")


@dataclass(frozen=True, slots=True)
class Done:
    """A world step's outcome that is not recorded yet."""

    step: str
    output: Any


class Runner:
    def __init__(
        self,
        log: Log,
        cloud: Cloud,
        clock: Clock,
        tasks: Tasks,
        world: World,
        owner: Owner | None = None,
    ) -> None:
        self._log, self._cloud, self._clock, self._tasks = log, cloud, clock, tasks
        self._world = world
        self.turns = Turns()
        self.tracer: Tracer = NoTracer()
        self._fence = Fence(owner or Everything())
        self.commits = Commits(log, clock, self._fence)
        self._driving: set[UUID] = set()
        self._drivers: dict[UUID, asyncio.Task[Any]] = {}
        self._intents: dict[UUID, Any] = {}
        self._inherited: set[UUID] = set()
        self._scopes: dict[UUID, set[asyncio.Timeout]] = {}
        self._waiters: dict[UUID, list[asyncio.Future[None]]] = {}

    def drive(self, run_id: UUID) -> None:
        """Make sure that somebody works on this run. Asking twice is asking once."""
        if run_id not in self._driving and self._fence.owner.owns(run_id):
            self._driving.add(run_id)
            self._tasks.spawn(self._drive(run_id), name=f"saga {run_id}")

    def resume(self) -> int:
        """Take up every run of ours that is neither over nor parked; says how many."""
        runs, owns = self._cloud[saga_runs], self._fence.owner.owns
        live = [row.id for s in (RunState.RUNNING, RunState.UNDOING) for row in runs.by("state", s)]
        ours = [run_id for run_id in live if run_id not in self._driving and owns(run_id)]
        self._inherited.update(ours)
        for run_id in ours:
            self.drive(run_id)
        return len(ours)

    async def release(self) -> None:
        """Let go of what is no longer ours, as a crash would; nothing of it goes on afterwards."""
        owns = self._fence.owner.owns
        lost = [task for run_id, task in self._drivers.items() if not owns(run_id)]
        for task in lost:
            task.cancel()
        if lost:
            await asyncio.wait(lost, timeout=RELEASE_S)

    def new_id(self) -> UUID:
        """An id for a new run; one that is ours is driven without a detour."""
        at_ms = self._clock.now_ms()
        return self._fence.owner.pick(lambda: in_order(at_ms, uuid4()))

    def begun(self, run_id: UUID) -> None:
        """Its first decisions are taken, or it will never be: what only they needed may go."""
        if run_id not in self._driving:
            self._intents.pop(run_id, None)

    def _take_up(self, run_id: UUID) -> None:
        row = self._cloud[saga_runs].get(run_id)
        if row is not None and row.state in (RunState.RUNNING, RunState.UNDOING):
            self.drive(run_id)

    def _interrupt(self, run_id: UUID) -> None:
        """End what a cancelled run's steps do just now; one whose time is up ends anyway."""
        row = self._cloud[saga_runs].get(run_id)
        if row is None or self._goes_on(row):
            return
        now = asyncio.get_running_loop().time()
        for scope in self._scopes.get(run_id, ()):
            if not scope.expired():
                scope.reschedule(now)

    def heard(self, batch: Sequence[Recorded]) -> None:
        """React to what was committed: wake who waits, interrupt what was cancelled."""
        for recorded in batch:
            if recorded.event.KIND != "saga":
                continue
            match recorded.event.TOPIC:
                case "saga.succeeded" | "saga.failed" | "saga.parked":
                    for waiter in self._waiters.pop(recorded.stream, ()):
                        if not waiter.done():
                            waiter.set_result(None)
                case "saga.cancel_requested":
                    self._interrupt(recorded.stream)
                case "saga.started" | "saga.mended":
                    # Whoever asked may be gone by now, or was never told that it is on disk.
                    self._take_up(recorded.stream)

    async def wait(self, run_id: UUID) -> SagaRun:
        """The run once it is over or parked."""
        row = self._cloud[saga_runs][run_id]
        if not (row.state.is_over or row.state is RunState.PARKED):
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.setdefault(run_id, []).append(waiter)
            await waiter
        return self._cloud[saga_runs][run_id]

    # ---- forward -------------------------------------------------------------------------

    async def _drive(self, run_id: UUID) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._drivers[run_id] = task
        if (row := self._cloud[saga_runs].get(run_id)) is not None:
            self._fence.begin(row)
        try:
            with Caught() as caught:
                await self._drive_on(run_id)
        finally:
            del self._drivers[run_id]
            self._driving.discard(run_id)
            self._intents.pop(run_id, None)
            self._inherited.discard(run_id)
            self._fence.forget(run_id)
        if superseded(caught.error):
            log_.warning("%s", caught.error)
            self._take_over(run_id)
        elif caught.error is not None:
            await self._stranded(run_id, caught.error)

    async def _drive_on(self, run_id: UUID) -> None:
        while (row := self._cloud[saga_runs].get(run_id)) is not None:
            if row.state is RunState.RUNNING:
                await self._forward(row)
            elif row.state is RunState.UNDOING:
                await self._backward(row)
            else:
                self.tracer.left(row)
                break

    def _take_over(self, run_id: UUID) -> None:
        """Go on from what another recorded, if the run is ours after all."""
        self._inherited.add(run_id)
        self._take_up(run_id)
        if run_id not in self._driving:
            self._inherited.discard(run_id)

    async def _stranded(self, run_id: UUID, error: Exception) -> None:
        """The engine itself failed on this run: it parks, and every other run goes on."""
        row = self._cloud[saga_runs].get(run_id)
        if row is None or row.state.is_over:
            log_.error("job %s ended, and then: %s", run_id, error)
            return
        with Caught() as caught:
            await self._park(row, self._failure(row, row.failed_step, error))
        if caught.error is not None:
            log_.error("job %s cannot even be parked: %s", run_id, caught.error)

    async def _forward(self, row: SagaRun) -> None:
        """Commit what can be decided, do the next world steps, and so on until the run is over."""
        saga = SAGAS[row.name]
        arrived: Done | None = None
        while row.state is RunState.RUNNING:
            fresh = {} if arrived is None else {arrived.step: arrived.output}
            failure, ready = None, saga.ready({**row.outputs, **fresh})
            with self.tracer.decisions(row):
                if row.cancelled or _may_decide(ready):
                    failure = await self._commit(row, partial(self._decide, row, arrived))
                    ready = saga.ready(row.outputs)
                elif fresh:  # nothing follows from it before the world's next turn
                    failure = await self._record(row, StepsSucceeded(outputs=fresh))
            if failure is not None:
                await self._stop(row, failure, arrived)
                return
            if row.state is RunState.RUNNING:
                arrived, failure = await self._wave(row, ready)
                if failure is not None:
                    await self._stop(row, failure, None)

    async def _stop(self, row: SagaRun, failure: Failure, arrived: Done | None) -> None:
        """Begin the undo, or park. What the world did is on record even if what follows failed."""
        events: list[Event] = []
        if arrived is not None:
            events.append(StepsSucceeded(outputs={arrived.step: arrived.output}))
        if not self.goes_back(row, failure):
            parked = SagaParked(step=failure.step, error=failure.error, text=failure.text)
            await self._record(row, *events, parked)
            return
        back_to = self._chooses_anew(row, failure)
        error, text = (failure.error, failure.text) if back_to else _in_all(row, failure)
        events.append(UndoStarted(step=failure.step, error=error, text=text, back_to=back_to))
        await self._record(row, *events)

    def _chooses_anew(self, row: SagaRun, failure: Failure) -> str:
        """The step that chooses another place after this failure; empty if none does."""
        saga = SAGAS[row.name]
        choice = saga.choice()
        if choice is None or choice.name not in row.outputs or row.cancelled:
            return ""
        is_behind = any(step.name == failure.step for step in saga.behind(choice))
        is_worth_it = failure.error in OUT_OF_REACH and len(row.tried) + 1 < choice.choices
        return choice.name if is_behind and is_worth_it else ""

    def _goes_on(self, row: SagaRun) -> bool:
        """Whether the run can only go forward, cancelled or not."""
        saga = SAGAS.get(row.name)
        return saga is not None and saga.settled(row.outputs)

    def goes_back(self, row: SagaRun, failure: Failure) -> bool:
        """Whether the run is undone: before its pivot, or if the pivot surely did not happen."""
        if not self._goes_on(row):
            return True
        saga = SAGAS[row.name]
        pivot = next((step for step in saga.steps if step.is_pivot), None)
        if pivot is None or failure.step != pivot.name:
            return False
        doubtful = pivot.name in row.doubts or row.id in self._inherited
        return failure.error not in UNSURE and not (failure.error == "Unavailable" and doubtful)

    def _decide(self, row: SagaRun, arrived: Done | None, draft: Draft) -> Failure | None:
        settled = self._goes_on(row)
        if row.cancelled and not settled:
            return Failure(row.failed_step, "Cancelled", CANCELLED)
        failure = self.decide(row, draft, {arrived.step: arrived.output} if arrived else {})
        if failure is not None:
            return failure
        if settled:  # what has happened in the world is so, whatever the limits say
            limits.note(draft)
            return None
        with Caught() as caught:
            limits.admit(draft)
        step = arrived.step if arrived else row.failed_step
        return None if caught.error is None else self._failure(row, step, caught.error)

    def decide(
        self, row: SagaRun, draft: Draft, fresh: dict[str, Any], *, first_only: bool = False
    ) -> Failure | None:
        """Run every plain step whose turn it is into `draft`; finish the run if none is left.

        `fresh` are outputs that are not recorded yet. `first_only` stops after the step whose
        refusal belongs to the caller; that one rises.
        """
        saga = SAGAS[row.name]
        outputs = {**row.outputs, **fresh}
        run = self._run(row, draft, outputs)
        while ready := [step for step in saga.ready(outputs) if step.decides]:
            for step in ready:
                run.step = step.name
                with Caught() as caught:
                    outputs[step.name] = fresh[step.name] = _plain(step.do(run))
                if caught.error is not None:
                    if step is saga.steps[0]:
                        raise caught.error
                    return self._failure(row, step.name, caught.error)
                if first_only:
                    draft.change(row, StepsSucceeded(outputs=fresh))
                    return None
        if fresh:
            draft.change(row, StepsSucceeded(outputs=fresh))
        if len(outputs) == len(saga.steps):
            draft.change(row, SagaSucceeded())
        return None

    async def _wave(
        self, row: SagaRun, ready: Sequence[Step[Any, Any]]
    ) -> tuple[Done | None, Failure | None]:
        """Do the world steps whose turn it is: one in place, several side by side."""
        if len(ready) == 1:
            outcome = await self._attempt(row, ready[0])
            return (outcome, None) if isinstance(outcome, Done) else (None, outcome)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._attempt_and_record(row, step)) for step in ready]
        return None, next((task.result() for task in tasks if task.result()), None)

    async def _attempt_and_record(self, row: SagaRun, step: Step[Any, Any]) -> Failure | None:
        outcome = await self._attempt(row, step)
        if isinstance(outcome, Failure):
            return outcome
        return await self._record(row, StepsSucceeded(outputs={outcome.step: outcome.output}))

    async def _attempt(self, row: SagaRun, step: Step[Any, Any]) -> Done | Failure:
        """Do one world step until it succeeds, says no, or its patience ends."""
        settled = self._goes_on(row)
        patience = FORWARD_ONLY if settled else step.patience
        while settled or not row.cancelled:
            await self._fence.hold(row, self.commits.read)
            with Caught() as caught, self.tracer.step(row, step.name):
                return Done(step.name, _plain(await self._timed(row, step, step.do)))
            assert caught.error is not None
            if superseded(caught.error):
                raise caught.error
            if row.cancelled and not settled:
                break
            again = not self._is_hopeless(row, step) and (
                await self._retry(row, step.name, caught.error, patience)
            )
            if not again or self._is_hopeless(row, step):
                return self._failure(row, step.name, caught.error)
        return Failure(step.name, "Cancelled", CANCELLED)

    def _is_hopeless(self, row: SagaRun, step: Step[Any, Any]) -> bool:
        return step.hopeless is not None and step.hopeless(self._run(row, None, row.outputs))

    async def _timed(self, row: SagaRun, step: Step[Any, Any], do: Do[Any]) -> Any:
        """Await `do` within the step's time; a cancelled job cuts a forward step short."""
        run = self._run(row, None, row.outputs, step.name)
        run.report = Watched(self._clock, partial(self._progressed, row))
        async with asyncio.timeout(step.timeout_s) as scope:
            run.stretch = partial(_stretch, row, scope)
            if do is not step.do:
                return await do(run)
            scopes = self._scopes.setdefault(row.id, set())
            scopes.add(scope)
            try:
                return await do(run)
            finally:
                scopes.discard(scope)
                if not scopes:
                    self._scopes.pop(row.id, None)

    # ---- backward ------------------------------------------------------------------------

    async def _backward(self, row: SagaRun) -> None:
        """Undo, latest first, every step that happened or may have; or those that begin anew."""
        saga, choice = SAGAS[row.name], row.back_to
        for step in list(saga.begun(row.outputs, row.renewed)):
            if step.name not in row.undone and step.undo_do is not None:
                undo = self._undo_decision if step.decides else self._undo_effect
                failure = await undo(row, step, step.undo_do)
                if failure is not None:
                    await self._park(row, failure)
                    return
            if step.name == choice:
                behind = [one.name for one in saga.behind(step)]
                await self._record(row, SagaTurned(step=choice, steps=behind))
                return
        await self._record(row, SagaFailed())

    async def _undo_decision(
        self, row: SagaRun, step: Step[Any, Any], undo: Do[Any]
    ) -> Failure | None:
        def decide(draft: Draft) -> Failure | None:
            with Caught() as caught:
                undo(self._run(row, draft, row.outputs, step.name))
            if caught.error is not None:
                return self._failure(row, step.name, caught.error)
            draft.change(row, StepUndone(step=step.name))
            return None

        with self.tracer.step(row, step.name, undo=True):
            return await self._commit(row, decide)

    async def _undo_effect(
        self, row: SagaRun, step: Step[Any, Any], undo: Do[Any]
    ) -> Failure | None:
        while True:
            await self._fence.hold(row, self.commits.read)
            with Caught() as caught, self.tracer.step(row, step.name, undo=True):
                await self._timed(row, step, undo)
            if caught.error is None:
                return await self._record(row, StepUndone(step=step.name))
            if superseded(caught.error):
                raise caught.error
            if not await self._retry(row, step.name, caught.error, UNDO):
                return self._failure(row, step.name, caught.error)

    # ---- records -------------------------------------------------------------------------

    async def _retry(self, row: SagaRun, step: str, error: Exception, patience: Patience) -> bool:
        """Record a failed attempt and wait for the next one; False when there is none."""
        attempt = row.attempts.get(step, 0) + 1
        delay_s = patience.delay_s(error, attempt)
        if delay_s is None:
            return False
        kind, text = failure_of(error)
        at_ms = self._clock.now_ms() + int(delay_s * 1000)
        await self._record(row, StepFailed(step=step, error=kind, text=text, retry_at_ms=at_ms))
        await self._clock.sleep(delay_s)
        return True

    async def _park(self, row: SagaRun, failure: Failure) -> None:
        step, error, text = failure.step, failure.error, failure.text
        await self._record(row, SagaParked(step=step, error=error, text=text))

    async def _record(self, row: SagaRun, *events: Event) -> Failure | None:
        def write(draft: Draft) -> None:
            draft.change(row, *events)

        return await self._commit(row, write)

    async def _progressed(self, row: SagaRun, percent: int, text: str) -> None:
        await self._record(row, SagaProgressed(percent=percent, text=text))

    async def _commit(
        self, row: SagaRun, write: Callable[[Draft], Failure | None]
    ) -> Failure | None:
        """Commit what `write` decides; decide again whenever somebody else was first."""
        rounds = Rounds(self.commits.under_way, patient=True)
        for _ in range(CONFLICTS_MAX):
            await self.turns.take()
            await self._fence.hold(row, self.commits.read)
            draft = Draft(self._cloud)
            failure = write(draft)
            if failure is not None:
                draft.abort()
                if not rounds.worth(failure):
                    return failure
                await rounds.next()
                continue
            if not draft:
                return None
            by = (row.user_id, row.account_id, row.id)
            unit = Unit(
                draft.appends(),
                *by,
                decided_at=draft.position,
                draws=draft.draws,
                closes=draft.closes,
            )
            if await self.commits.append(unit, draft):
                return None
        text = f"its rows were changed by others {CONFLICTS_MAX} times in a row; retry the job"
        return Failure(row.failed_step, "Conflict", text)

    def _failure(self, row: SagaRun, step: str, error: Exception) -> Failure:
        kind, text = failure_of(error)
        if kind == "Bug":
            incident = uuid4()
            trace = "".join(traceback.format_exception(error))
            log_.error("incident %s: %s %s in job %s\n%s", incident, row.name, step, row.id, trace)
            text = f"internal error in step {step} (incident {incident})"
        return Failure(step, kind, text)

    def _run(
        self, row: SagaRun, draft: Draft | None, outputs: dict[str, Any], step: str = ""
    ) -> Run[Any]:
        intent = self._intents.get(row.id)
        if intent is None:
            intent = msgspec.convert(row.intent, SAGAS[row.name].intent)
            self._intents[row.id] = intent
        by = (row.account_id, row.user_id)
        run = Run(row.id, intent, self._world, *by, outputs, step, draft)
        if row.tried or row.back_to:
            run.tried, run.renewed, run.is_turning = row.tried, row.renewed, bool(row.back_to)
        return run


def _in_all(row: SagaRun, failure: Failure) -> tuple[str, str]:
    """Error and text of a run that fails in the end, with what it had tried before.

    If it found no other place, the one that it had is what it failed for.
    """
    whys = list(dict.fromkeys(one.why for one in row.tried))
    if row.tried and failure.step == row.renewed[0]:
        return row.tried[-1].error, f"{'; '.join(whys)}; and no other place: {failure.text}"
    earlier = [why for why in whys if why != failure.text]
    return failure.error, "; before that: ".join((failure.text, *earlier))


def _may_decide(ready: Sequence[Step[Any, Any]]) -> bool:
    """Whether there is anything to decide before the world is touched."""
    for step in ready:
        if step.decides:
            return True
    return not ready


def _stretch(row: SagaRun, scope: asyncio.Timeout, within_s: float) -> None:
    """A step's later end. That which was cut short stays so."""
    end_s = asyncio.get_running_loop().time() + within_s
    if not row.cancelled and not scope.expired() and end_s > (scope.when() or end_s):
        scope.reschedule(end_s)


def _plain(output: Any) -> Any:
    """An output as the log keeps it, so that a step reads the same before a crash and after."""
    return None if output is None else msgspec.to_builtins(output, str_keys=True)
