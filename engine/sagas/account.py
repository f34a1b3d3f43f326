"""The end of an account: closed at once, then all that it owns ends, and then it is gone.

From the first step on its users are refused and nothing new can be made for it, so what is ended
stays ended, however often the rest is carried on.
"""

from __future__ import annotations

from aggregates.account import Account
from aggregates.errors import InUse, NotAllowed
from aggregates.record import RECORDS
from engine import people
from engine.endings import end_all, owned
from engine.intents.account import DeleteAccount
from engine.intents.project import owned_alone
from engine.lodging import refuse_lodgers
from engine.saga import Run, Saga
from projections.account import accounts

delete_account = Saga(
    "account.delete:1",
    DeleteAccount,
    "account",
    lambda ask: ask.account_id,
    forward_only=True,
)


@delete_account.step
def close(run: Run[DeleteAccount]) -> None:
    account = run.row(accounts, run.intent.account_id)
    people.keep(account, "deleted")
    if account.ending not in (None, run.id):
        raise NotAllowed(f"account {account.name} is being deleted by job {account.ending}")
    if not run.intent.of_project:
        _refuse_projects(run, account)
        refuse_lodgers(run, {account.id}, [account])
    _change(run, account, {"state": "disabled", "ending": run.id})


def _refuse_projects(run: Run[DeleteAccount], account: Account) -> None:
    """What others work in does not go by the way. With its domain it does, as that says so."""
    if account.role_type == "Project":
        raise NotAllowed(f"account {account.name} is a project's: delete that project")
    alone = sorted(project.name for project in owned_alone(run.cloud, account.id))
    if alone:
        raise InUse(
            f"account {account.name} is the only owner of project {', '.join(alone)}: delete that "
            "first, or let updateProject name another owner"
        )


@delete_account.step(timeout_s=24 * 3600)
async def end_what_it_owns(run: Run[DeleteAccount]) -> None:
    await end_all(run, lambda: owned(run.cloud, run.intent.account_id))


@delete_account.step
def forget(run: Run[DeleteAccount]) -> None:
    account = run.row(accounts, run.intent.account_id)
    left = {kind.replace("_", " ") for kind, _ in owned(run.cloud, account.id)}
    if left:
        raise InUse(f"account {account.name} still owns a {', a '.join(sorted(left))}")
    people.remove(run, account)


def _change(run: Run[DeleteAccount], account: Account, fields: dict[str, object]) -> None:
    changed = RECORDS["account"].update(account, fields)
    if changed is not None:
        run.change(account, changed)
