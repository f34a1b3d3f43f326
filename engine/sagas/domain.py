"""The end of a domain, and of all that lives below it if that is asked for.

It is closed first, whole: no account or domain begins in it any more. Then each account ends by a
job of its own, as if it had been deleted by itself.
"""

from __future__ import annotations

from typing import Any

from aggregates.account import Account
from aggregates.domain import Domain
from aggregates.errors import InUse, NotAllowed
from aggregates.record import RECORDS
from engine import people
from engine.decide import Desk
from engine.decisions.record import remove
from engine.endings import end_all, kept_in
from engine.genesis import ROOT_DOMAIN
from engine.intents import By
from engine.intents.domain import DeleteDomain
from engine.intents.record import RemoveRecord
from engine.lodging import lodgers, refuse_lodgers
from engine.saga import Run, Saga
from projections.account import accounts
from projections.domain import domains
from projections.network import networks

delete_domain = Saga(
    "domain.delete:1", DeleteDomain, "domain", lambda ask: ask.domain_id, forward_only=True
)


@delete_domain.step
def close(run: Run[DeleteDomain]) -> None:
    """Refuses as a whole if anything in it may not go."""
    top = run.row(domains, run.intent.domain_id)
    if top.id == ROOT_DOMAIN:
        raise NotAllowed("the root domain cannot be deleted")
    tree, people_in = _tree(run), _accounts(run)
    if (len(tree) > 1 or people_in) and not run.intent.cleanup:
        raise InUse(
            f"domain {top.path} has {len(tree) - 1} domains below it and {len(people_in)} "
            "accounts: delete those first, or send cleanup=true"
        )
    _refuse_networks(run, tree)
    for account in people_in:
        people.keep(account, "deleted")
    refuse_lodgers(run, {account.id for account in people_in}, tree)
    for one in tree:
        changed = RECORDS["domain"].update(one, {"state": "Inactive"})
        if changed is not None:
            run.change(one, changed)


def _refuse_networks(run: Run[DeleteDomain], tree: list[Domain]) -> None:
    """A network that somebody made for the domain goes with it only if that is asked for."""
    serving = [row for one in tree for row in run.cloud[networks].by("domain_id", one.id)]
    if serving and not run.intent.cleanup:
        raise InUse(
            f"network {serving[0].name} serves domain {tree[0].path}: delete that first, or send "
            "cleanup=true"
        )


@delete_domain.step(timeout_s=24 * 3600)
async def end_accounts(run: Run[DeleteDomain]) -> None:
    """A project's account ends with its project, which ends with its owner.

    A guest that is on another's network goes before, so that no account waits for another's end.
    """
    ids = {account.id for account in _accounts(run)}

    def left() -> list[tuple[str, Any]]:
        guests = [("vm", vm) for vm in lodgers(run.cloud, ids) if vm.account_id in ids]
        return [*guests, *(("account", row) for row in _owners(run))]

    await end_all(run, left)


@delete_domain.step(timeout_s=24 * 3600)
async def end_what_is_its_own(run: Run[DeleteDomain]) -> None:
    """What belongs to the domain and to none of its accounts: limits, networks and the like."""
    await end_all(run, lambda: [pair for one in _tree(run) for pair in kept_in(run.cloud, one.id)])


@delete_domain.step
def forget(run: Run[DeleteDomain]) -> None:
    assert run.draft is not None
    desk = Desk(run.draft, run.world, By())
    for one in sorted(_tree(run), key=lambda row: row.level, reverse=True):
        remove(RemoveRecord(kind="domain", id=one.id), desk)


def _tree(run: Run[DeleteDomain]) -> list[Domain]:
    top = run.cloud[domains].get(run.intent.domain_id)
    if top is None:
        return []
    return [one for one in run.cloud[domains] if one is top or one.path.startswith(top.path + "/")]


def _accounts(run: Run[DeleteDomain]) -> list[Account]:
    return [a for one in _tree(run) for a in run.cloud[accounts].by("domain_id", one.id)]


def _owners(run: Run[DeleteDomain]) -> list[Account]:
    """Those that own projects; when only accounts of projects are left, those too."""
    found = _accounts(run)
    return [row for row in found if row.role_type != "Project"] or found
