"""An asynchronous job is a view of a saga run: its state, and the command's view of its subject."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.authz import domain_path, governs
from api.caller import Caller, Identity, JobRow
from api.declare import REGISTRY, Cloud, Date, Spec, View, date, view
from api.errors import code_named
from api.render import as_view
from api.this_controller import CONTROLLER_ID
from api.views.owner import wire_path
from projections.event_list import resource_type

SUCCEEDED = frozenset({"Succeeded"})
FAILED = frozenset({"Failed", "Cancelled", "Parked", "Undone", "UndoFailed"})


@view
class JobView(View, kw_only=True):
    """An asynchronous job. Its jobresult is the answer that the command would have given."""

    account_id: Annotated[UUID | None, "the account that asked"] = None
    account: Annotated[str | None, "its name"] = None
    domain_id: Annotated[UUID | None, "its domain"] = None
    domain_path: Annotated[str | None, "where that domain stands in the tree"] = None
    user_id: Annotated[UUID | None, "the user that asked"] = None
    cmd: Annotated[str, "the command"]
    job_proc_status: Annotated[int, "always 0: progress is in the job's steps"]
    job_result_code: Annotated[int, "0, or the error code of a failed job"]
    job_result_type: Annotated[str | None, "object, once there is a result"] = None
    job_result: Annotated[dict[str, Any] | None, "the result, or errorcode and errortext"] = None
    job_instance_type: Annotated[str | None, "the kind of thing that it is about"] = None
    job_instance_id: Annotated[UUID | None, "that thing"] = None
    job_state: Annotated[str, "Running, Undoing, Parked, Succeeded or Failed"]
    failed_step: Annotated[str | None, "the step that was refused last; see listJobSteps"] = None
    percent: Annotated[int | None, "how far the step at work is"] = None
    progress: Annotated[str | None, "what that step says of itself"] = None
    management_server_id: Annotated[UUID, "the controller that does it"]
    created: Annotated[Date, "when it was asked for"]
    completed: Annotated[Date | None, "when it ended"] = None


def status_of(job: JobRow) -> int:
    """0 while it runs or is undone, 1 when it succeeded, 2 when it failed or is parked."""
    state = str(job.state)
    return 1 if state in SUCCEEDED else 2 if state in FAILED else 0


def may_see(caller: Identity, cloud: Cloud, job: JobRow) -> bool:
    """A job is seen by the account that asked, by its projects' members and by administrators."""
    if caller.is_root or job.account_id == caller.account_id or job.account_id in caller.projects:
        return True
    owner = cloud.table("account").get(job.account_id)
    return owner is not None and governs(caller, cloud, owner.domain_id)


def instance_type(job: JobRow) -> str | None:
    """The wire's word for the kind of thing that a job is about."""
    return resource_type(str(job.subject_kind))


def job_view(job: JobRow, caller: Caller) -> JobView:
    """A job as queryAsyncJobResult shows it."""
    cloud, status = caller.cloud, status_of(job)
    account = cloud.table("account").get(job.account_id)
    result = _result(job, status, cloud, caller.role_type)
    made = JobView(
        cmd=job.command,
        job_proc_status=0,
        job_result_code=code_named(job.error).status if status == 2 else 0,
        job_state=str(job.state),
        management_server_id=CONTROLLER_ID,
        created=date(job.created_at_ms),
    )
    # To set a field takes a tenth of what it takes to name it above.
    made.job_id, made.job_status = job.id, status
    made.account_id, made.user_id = job.account_id, job.user_id
    if account is not None:
        made.account, made.domain_id = account.name, account.domain_id
        path = domain_path(cloud, account.domain_id)
        made.domain_path = None if path is None else wire_path(path)
    made.job_result = result
    made.job_result_type = None if result is None else "object"
    made.job_instance_type, made.job_instance_id = instance_type(job), job.subject_id
    made.failed_step, made.percent = job.failed_step or None, job.percent or None
    made.progress, made.completed = job.progress or None, date(job.finished_at_ms or None)
    return made


def _result(job: JobRow, status: int, cloud: Cloud, role_type: str) -> dict[str, Any] | None:
    """What the command answers now that the job has ended; None while it goes on."""
    if status == 0:
        return None
    if status == 2:
        return {"errorcode": code_named(job.error).status, "errortext": told_to(role_type, job)}
    spec = REGISTRY.get(job.command)
    if spec is None or spec.shape == "success" or not spec.is_async:
        # A synchronous command has given its answer, which may not be told twice: a key's secret.
        return {"success": True}
    made = _subject(spec, job, cloud, role_type)
    if made is None and job.subject_id is None:
        return {"success": True}
    # Typed clients read an object under the command's key, also of what is gone by now.
    return {spec.key: {"id": job.subject_id} if made is None else made}


def told_to(role_type: str, job: JobRow) -> str:
    """Why it failed. What was our own bug is told in full to the root administrator alone."""
    if job.error == "Bug" and role_type != "Admin":
        return f"Internal error; the operator finds it in the log as job {job.id}"
    return job.error_text


def _subject(spec: Spec, job: JobRow, cloud: Cloud, role_type: str) -> View | None:
    """The command's view of what the job was about; None when that is gone by now."""
    try:
        row = cloud.table(job.subject_kind).get(job.subject_id)
    except KeyError:
        return None
    return None if row is None else as_view(spec, row, cloud, role_type)
