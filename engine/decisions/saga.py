"""What people do about jobs: cancel one that runs, mend one that is parked."""

from __future__ import annotations

from aggregates.errors import Invalid, NotAllowed
from engine.decide import Desk, decision
from engine.intents.saga import CancelJob, MendJob
from engine.saga import SAGAS
from projections.saga import SagaRun, saga_runs

WAYS = ("retry", "skip", "undo")


@decision
def cancel(ask: CancelJob, desk: Desk) -> None:
    job = desk.row(saga_runs, ask.job_id)
    saga = SAGAS.get(job.name)
    if saga is not None and saga.settled(job.outputs):
        raise NotAllowed(f"job {job.id} ({job.name}) only goes forward now: it cannot be cancelled")
    desk.change(job, job.cancel())


@decision
def mend(ask: MendJob, desk: Desk) -> None:
    job = desk.row(saga_runs, ask.job_id)
    if ask.way not in WAYS:
        raise Invalid(f"a parked job can be given {', '.join(WAYS)}", field="way")
    if ask.way == "undo" and _behind_pivot(job):
        raise NotAllowed(f"job {job.id} ({job.name}) only goes forward: retry or skip its step")
    desk.change(job, job.mend(ask.way))


def _behind_pivot(job: SagaRun) -> bool:
    """Whether what happened cannot be undone. Parked at its pivot, a person knows if it did."""
    saga = SAGAS.get(job.name)
    if saga is None or job.was_undoing:
        return False
    return saga.forward_only or any(s.is_pivot and s.name in job.outputs for s in saga.steps)
