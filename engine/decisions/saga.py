"""What people do about jobs: cancel one that runs, mend one that is parked."""

from __future__ import annotations

from aggregates.errors import Invalid, NotAllowed
from engine.decide import Desk, decision
from engine.intents.saga import CancelJob, MendJob
from engine.saga import SAGAS
from projections.saga import saga_runs

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
    if ask.way == "undo" and SAGAS[job.name].forward_only:
        raise NotAllowed(f"job {job.id} ({job.name}) only goes forward: retry or skip its step")
    desk.change(job, job.mend(ask.way))
