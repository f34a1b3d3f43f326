"""What people do about jobs: look at their steps, cancel them, mend those that are parked."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.caller import Caller, JobRow, JobStep
from api.commands.identity_checks import outranks
from api.declare import Free, OneOf, Page, command
from api.errors import InvalidValue, no_such_id
from api.identity import role_of
from api.jobs import JobView, job_view, may_see, told_to
from api.views.job import JobStepView
from engine.intents.saga import CancelJob, MendJob

OURS = "sagastack 0.1"
JobId = Annotated[UUID, "the job", Free("job_of() gives a job only to those who may see it")]


async def job_of(caller: Caller, command_name: str, job_id: UUID) -> JobRow:
    """A job that the caller may see; somebody else's is answered as one that never was.

    The live cloud forgets jobs that ended long ago; the log does not.
    """
    job: JobRow | None = caller.cloud.table("saga").get(job_id)
    if job is None and caller.cloud is caller.engine.cloud:
        job = await caller.engine.job(job_id)
    if job is None or not may_see(caller.identity, caller.cloud, job):
        raise no_such_id(command_name, "jobid", str(job_id))
    return job


def _alive(caller: Caller, job: JobRow) -> JobRow:
    """A job that the live cloud still has; it forgets those that ended long ago."""
    if job.id not in caller.cloud.table("saga"):
        raise InvalidValue(f"job {job.id} is {job.state}: it ended long ago, nothing is left to do")
    return job


@command("listJobSteps", returns=JobStepView, key="jobstep", shape="list", allow="ARDU", since=OURS)
class ListJobSteps:
    """List the steps of a job in the order in which they run, and how each stands."""

    job_id: JobId

    async def run(self, caller: Caller) -> Page:
        """Empty for a job that was over as soon as it was decided."""
        job = await job_of(caller, "listJobSteps", self.job_id)
        steps = caller.engine.steps(job)
        shown = [_step(number, one, job, caller) for number, one in enumerate(steps, 1)]
        return Page(len(shown), shown)


def _step(number: int, step: JobStep, job: JobRow, caller: Caller) -> JobStepView:
    return JobStepView(
        number=number,
        name=step.name,
        state=step.state,
        touches_world=step.touches_world,
        attempts=step.attempts,
        error=step.error or None,
        error_text=_why(step, job, caller) or None,
        no_undo=step.no_undo or None,
    )


def _why(step: JobStep, job: JobRow, caller: Caller) -> str:
    return told_to(caller.role_type, job) if step.name == job.failed_step else step.error_text


@command(
    "cancelAsyncJob",
    returns=JobView,
    key="asyncjob",
    allow="ARDU",
    since=OURS,
    action="JOB.CANCEL",
)
class CancelAsyncJob:
    """Cancel a running job: the step at work is cut short, and all that was done is undone."""

    job_id: JobId

    async def run(self, caller: Caller) -> JobView:
        """One's own job, or as an administrator a job of somebody of no higher rank."""
        job = _alive(caller, await job_of(caller, "cancelAsyncJob", self.job_id))
        owner = caller.cloud.table("account").get(job.account_id)
        if owner is not None:
            outranks(caller, *role_of(caller.cloud, owner))
        await caller.decide(CancelJob(job_id=job.id))
        return job_view(job, caller)


@command(
    "mendAsyncJob",
    returns=JobView,
    key="asyncjob",
    allow="A",
    since=OURS,
    action="JOB.MEND",
)
class MendAsyncJob:
    """Take up a parked job again, once what stopped it was looked at."""

    job_id: JobId
    way: Annotated[
        str,
        "retry the step, skip it as if it had happened, or undo the whole job",
        OneOf("retry", "skip", "undo"),
    ]

    async def run(self, caller: Caller) -> JobView:
        job = _alive(caller, await job_of(caller, "mendAsyncJob", self.job_id))
        await caller.decide(MendJob(job_id=job.id, way=self.way))
        return job_view(job, caller)
