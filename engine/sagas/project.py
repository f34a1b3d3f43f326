"""Suspending a project, and its end with all that it owns."""

from __future__ import annotations

from typing import Any

from aggregates.errors import DomainError, InUse, NotAllowed
from aggregates.project import Project
from aggregates.record import RECORDS
from aggregates.vm import VmState
from engine import people
from engine.endings import end_all, owned
from engine.intents import By
from engine.intents.project import DeleteProject, SuspendProject
from engine.intents.vm import StopVm
from engine.lodging import refuse_lodgers
from engine.saga import Run, Saga, key_for
from projections.account import accounts
from projections.project import projects
from projections.table import TABLES
from projections.vm import vms

# What only makes sense within a project, and goes in the commit in which the project goes.
PARTS = ("project_invitation", "project_member", "project_role")

suspend_project = Saga(
    "project.suspend:1", SuspendProject, "project", lambda ask: ask.project_id, forward_only=True
)


@suspend_project.step
def suspend(run: Run[SuspendProject]) -> None:
    """From here on its account gets nothing more."""
    row = run.row(projects, run.intent.project_id)
    _not_ending(row)
    _change(run, row, {"state": "Suspended"})
    _change(run, run.row(accounts, row.account_id), {"state": "disabled"})


@suspend_project.step(timeout_s=24 * 3600)
async def stop_guests(run: Run[SuspendProject]) -> None:
    """A guest that another job has is that job's; what cannot be stopped keeps running."""
    children, by = run.world.children, By(account_id=run.account_id, user_id=run.user_id)
    project = run.cloud[projects].get(run.intent.project_id)
    account_id = project.account_id if project is not None else None
    for vm in list(run.cloud[vms].by("account_id", account_id)):
        if vm.state is not VmState.RUNNING:
            continue
        try:
            job = await children.submit(
                StopVm(vm_id=vm.id), by, run_id=key_for(run.key, str(vm.id))
            )
        except DomainError:
            continue
        await children.outcome(job.id)


delete_project = Saga(
    "project.delete:1", DeleteProject, "project", lambda ask: ask.project_id, forward_only=True
)


@delete_project.step
def close(run: Run[DeleteProject]) -> None:
    row = run.row(projects, run.intent.project_id)
    _not_ending(row)
    has = sorted({kind.replace("_", " ") for kind, _ in owned(run.cloud, row.account_id)})
    if has and not run.intent.cleanup:
        raise InUse(
            f"project {row.name} owns a {', a '.join(has)}: delete those, or send cleanup=true"
        )
    refuse_lodgers(run, {row.account_id}, [row])
    _change(run, row, {"state": "Disabled", "ending": run.id})


@delete_project.step(timeout_s=24 * 3600)
async def end_its_account(run: Run[DeleteProject]) -> None:
    row = run.cloud[projects][run.intent.project_id]

    def left() -> list[tuple[str, Any]]:
        account = run.cloud[accounts].get(row.account_id)
        return [] if account is None else [("account", account)]

    await end_all(run, left)


@delete_project.step
def forget(run: Run[DeleteProject]) -> None:
    row = run.row(projects, run.intent.project_id)
    for kind in PARTS:
        for part in list(run.cloud[TABLES[kind]].by("project_id", row.id)):
            people.remove(run, part)
    people.remove(run, row)


def _not_ending(row: Project) -> None:
    if row.ending is not None:
        raise NotAllowed(f"project {row.name} is being deleted by job {row.ending}")


def _change(run: Run[Any], row: Any, fields: dict[str, object]) -> None:
    changed = RECORDS[row.KIND].update(row, fields)
    if changed is not None:
        run.change(row, changed)
