"""The end of a domain, and of all that lives below it if that is asked for."""

from __future__ import annotations

from aggregates.domain import Domain
from aggregates.errors import InUse, NotAllowed
from engine import people
from engine.decide import Desk
from engine.decisions.record import remove
from engine.genesis import ROOT_DOMAIN
from engine.intents import By
from engine.intents.domain import DeleteDomain
from engine.intents.record import RemoveRecord
from engine.saga import Run, Saga
from projections.account import accounts
from projections.domain import domains

delete_domain = Saga(
    "domain.delete:1", DeleteDomain, "domain", lambda ask: ask.domain_id, forward_only=True
)


@delete_domain.step
def forget(run: Run[DeleteDomain]) -> list[str]:
    """Refuses as a whole if anything in it may not go."""
    top = run.row(domains, run.intent.domain_id)
    if top.id == ROOT_DOMAIN:
        raise NotAllowed("the root domain cannot be deleted")
    tree = [one for one in run.cloud[domains] if _within(one, top)]
    people_in = [a for one in tree for a in run.cloud[accounts].by("domain_id", one.id)]
    if (len(tree) > 1 or people_in) and not run.intent.cleanup:
        raise InUse(
            f"domain {top.path} has {len(tree) - 1} domains below it and {len(people_in)} "
            "accounts: delete those first, or send cleanup=true"
        )
    refs: list[str] = []
    for account in people_in:
        refs += people.remove_account(run, account)
    assert run.draft is not None
    desk = Desk(run.draft, run.world, By())
    for one in sorted(tree, key=lambda row: row.level, reverse=True):
        remove(RemoveRecord(kind="domain", id=one.id), desk)
    return refs


def _within(one: Domain, top: Domain) -> bool:
    return one.id == top.id or one.path.startswith(top.path + "/")


@delete_domain.step
async def shred(run: Run[DeleteDomain]) -> None:
    await people.shred(run, run[forget])
