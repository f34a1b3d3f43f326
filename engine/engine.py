"""The engine as its callers see it: decide, submit, wait, plan, and look at any past moment.

It knows no noun. Folders are walked by `nouns.load`, and what they register is all it can do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import NAMESPACE_OID, UUID

import msgspec

from aggregates.base import Recorded
from aggregates.errors import AlreadyExists, Conflict
from aggregates.ids import uuid4, uuid5
from aggregates.saga import (
    RunState,
    SagaParked,
    SagaRun,
    SagaStarted,
    SagaSucceeded,
    UndoStarted,
)
from engine import limits
from engine.clock import Clock
from engine.decide import DECISIONS, Desk
from engine.draft import Draft
from engine.failure import Caught, Failure
from engine.fence import Owner
from engine.history import History
from engine.intents import By, Job
from engine.intents.job import AsJob
from engine.log import Log, Unit
from engine.rehearsal import is_rehearsal
from engine.runner import CONFLICTS_MAX, Runner
from engine.saga import BY_INTENT
from engine.tasks import Tasks
from engine.under_way import Rounds
from engine.world import Hosts, World
from projections.cloud import Cloud
from projections.saga import saga_runs

# The name of a run that was over when it began: a decision, answered as a job.
DECIDED = "decision:1"


class JobFailed(Exception):
    """A job that its caller waited for did not succeed; `error` is the class of what refused it."""

    def __init__(self, error: str, text: str) -> None:
        super().__init__(text)
        self.error, self.text = error, text


class Engine:
    def __init__(
        self,
        log: Log,
        world: World,
        clock: Clock,
        tasks: Tasks,
        history: History,
        owner: Owner | None = None,
    ) -> None:
        self._log, self._world, self._clock = log, world, clock
        self._history = history
        self.cloud: Cloud = world.cloud
        self.runner = Runner(log, self.cloud, clock, tasks, world, owner)
        log.listen(self._heard)

    @property
    def hosts(self) -> Hosts:
        """Connected hosts, for chores that look at them."""
        return self._world.hosts

    @property
    def is_rehearsal(self) -> bool:
        """Whether what happens here is told to nobody."""
        return is_rehearsal(self._world.home)

    def _heard(self, batch: Sequence[Recorded]) -> None:
        self.cloud.fold(batch)
        self.runner.heard(batch)

    async def decide(self, ask: object, by: By) -> Any:
        """Decide and commit; the answer is on disk and readable when this returns."""
        decided = DECISIONS[type(ask)]
        return await self._commit(lambda draft: decided(ask, Desk(draft, self._world, by)), by)

    async def submit(self, ask: object, by: By, *, run_id: UUID | None = None) -> Job:
        """Accept a saga. Its first step has decided when this returns; the rest is the job's.

        The same `run_id`, or the same idempotency key from the same account, is the same job.
        """
        chosen = run_id or self._run_id(by)

        def accept(draft: Draft) -> Job | Failure | None:
            if known := self._known(run_id, by):
                return Job(known.id, known.subject_id)
            return self._accept(draft, chosen, ask, by)

        try:
            answer = await self._commit(accept, by, chosen)
        finally:
            self.runner.begun(chosen)
        if isinstance(answer, Job):
            return answer
        return Job(chosen, self.cloud[saga_runs][chosen].subject_id)

    async def _commit(
        self, decide: Callable[[Draft], Any], by: By, saga: UUID | None = None
    ) -> Any:
        """Decide within everybody's limits, and commit; again whenever somebody else was first.

        What is refused beside mere promises is decided again once those are kept or broken.
        """
        commits = self.runner.commits
        rounds = Rounds(commits.under_way, patient=False)
        for _ in range(CONFLICTS_MAX):
            await self.runner.turns.take()
            draft, answer = Draft(self.cloud), None
            with Caught() as caught:
                answer = decide(draft)
                limits.admit(draft)
            failed = caught.error or (answer if isinstance(answer, Failure) else None)
            if failed is not None and rounds.worth(failed):
                draft.abort()
                await rounds.next()
                continue
            if caught.error is not None:
                draft.abort()
                raise caught.error
            if not draft or await commits.append(self._unit(draft, by, saga), draft, patient=False):
                return answer
        raise Conflict(f"{by.command or 'this'}: too many others change it; try again")

    async def perform(self, ask: object, by: By) -> Job:
        """Submit and wait. Raises `JobFailed` with what the job was refused with."""
        job = await self.submit(ask, by)
        row = await self.runner.wait(job.id)
        if row.state is not RunState.SUCCEEDED:
            raise JobFailed(row.error, row.error_text)
        return job

    async def outcome(self, run_id: UUID) -> str:
        row = await self.runner.wait(run_id)
        return "" if row.state is RunState.SUCCEEDED else row.error_text

    async def plan(self, ask: object, by: By, *, begun: bool = False) -> list[str]:
        """The facts that would be recorded at once, or the refusal; nothing happens.

        `begun`: a job that would be begun is well, even if it could not get any further.
        """
        draft, planned = Draft(self.cloud), uuid4()
        try:
            if type(ask) in BY_INTENT or isinstance(ask, AsJob):
                failure = self._accept(draft, planned, ask, by)
                if failure is not None and not begun:
                    raise JobFailed(failure.error, failure.text)
            else:
                DECISIONS[type(ask)](ask, Desk(draft, self._world, by))
            limits.admit(draft)
            return draft.topics()
        finally:
            draft.abort()
            self.runner.begun(planned)

    async def at(self, at_ms: int) -> Cloud:
        """The cloud as it was at that moment."""
        return await self._history.at(at_ms)

    async def ever(self, row_id: UUID, kind: str) -> bool:
        """Whether the log has ever made this thing, gone or not."""
        if row_id in self.cloud.table(kind):
            return True
        return await self._history.ever(row_id, kind)

    async def job(self, run_id: UUID) -> SagaRun:
        """A run that is alive or over, however long ago. `NotFound` if there never was one.

        The store may know more of it than is folded here: then it is told as it is here, under
        way, since what it has made is not here yet either.
        """
        runs = self.cloud[saga_runs]
        if (row := runs.get(run_id)) is not None:
            return row
        read = await self._history.run(run_id, self.cloud.position)
        return runs.get(run_id) or read

    def _run_id(self, by: By) -> UUID:
        """The id of a new job. Who repeats a key at the same moment names the same."""
        if not by.idempotency_key:
            return self.runner.new_id()
        return uuid5(by.account_id or NAMESPACE_OID, f"job/{by.idempotency_key}")

    def _known(self, run_id: UUID | None, by: By) -> SagaRun | None:
        runs = self.cloud[saga_runs]
        if run_id is not None:
            known = runs.get(run_id)
            if known is not None and known.account_id != by.account_id:
                raise AlreadyExists(f"job {run_id} is another account's: choose another id")
            return known
        if not by.idempotency_key:
            return None
        mine = runs.by("idempotency_key", by.idempotency_key)
        return next((row for row in mine if row.account_id == by.account_id), None)

    def _accept(self, draft: Draft, run_id: UUID, ask: Any, by: By) -> Failure | None:
        """Draft the run's beginning: what was asked, and every decision up to the world's turn."""
        if isinstance(ask, AsJob):
            row = self._begin(draft, DECIDED, ask.subject_kind, ask.subject_id, run_id, ask.ask, by)
            DECISIONS[type(ask.ask)](ask.ask, Desk(draft, self._world, by))
            draft.change(row, SagaSucceeded())
            return None
        saga = BY_INTENT[type(ask)]
        begun = (saga.name, saga.subject, saga.subject_id(ask), run_id, ask, by)
        failure = self.runner.decide(self._begin(draft, *begun), draft, {})
        if failure is None:
            return None
        draft.abort()
        draft.clear()
        row = self._begin(draft, *begun)
        self.runner.decide(row, draft, {}, first_only=True)
        stop = UndoStarted if self.runner.goes_back(row, failure) else SagaParked
        draft.change(row, stop(step=failure.step, error=failure.error, text=failure.text))
        return failure

    def _begin(
        self,
        draft: Draft,
        name: str,
        subject_kind: str,
        subject_id: UUID | None,
        run_id: UUID,
        ask: Any,
        by: By,
    ) -> SagaRun:
        draft.create(
            run_id,
            SagaStarted(
                name=name,
                command=by.command,
                action=by.action,
                user_id=by.user_id,
                account_id=by.account_id,
                subject_kind=subject_kind,
                subject_id=subject_id,
                intent=msgspec.to_builtins(ask),
                idempotency_key=by.idempotency_key,
            ),
        )
        return draft.row(saga_runs, run_id)

    def _unit(self, draft: Draft, by: By, saga: UUID | None = None) -> Unit:
        return Unit(
            draft.appends(),
            user=by.user_id,
            account=by.account_id,
            saga=saga,
            action=by.action,
            decided_at=draft.position,
            draws=draft.draws,
            closes=draft.closes,
        )
