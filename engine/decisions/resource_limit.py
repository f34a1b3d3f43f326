"""Limits: said for an account or a domain, and never for more than the domain above has."""

from __future__ import annotations

from aggregates.account import Account
from aggregates.domain import Domain
from aggregates.errors import Invalid, NotAllowed
from aggregates.resource_limit import RESOURCES, UNLIMITED, Resource
from engine.decide import Desk, decision
from engine.decisions import record
from engine.intents.record import CreateRecord, UpdateRecord
from engine.intents.resource_limit import SetLimit
from projections.account import accounts
from projections.domain import domains
from projections.resource_limit import Limits


@decision
def set_limit(ask: SetLimit, desk: Desk) -> None:
    """A limit below what is in use is fine: nothing new is let in until there is room again."""
    limits, resource = desk.cloud.view(Limits), RESOURCES[ask.resource]
    if ask.maximum < UNLIMITED:
        raise Invalid("max is at least 0, or -1 for no limit", field="max")
    if ask.tag and ask.tag not in limits.tags(resource.name):
        raise Invalid(
            f"{resource.name} is not limited by tag {ask.tag}: name a tag of the setting "
            "resource.limit.host.tags or resource.limit.storage.tags",
            field="tag",
        )
    if ask.owner_kind == "domain":
        owner: Account | Domain = desk.row(domains, ask.owner_id)
        _below_parent(desk.row(domains, ask.owner_id), ask, resource, limits)
    else:
        owner = desk.row(accounts, ask.owner_id)
        if owner.role_type == "Admin" and ask.maximum != UNLIMITED:
            raise NotAllowed(
                f"account {owner.name} is a root administrator's and has no limits: send max=-1"
            )
    desk.guard(owner)
    said = limits.said(ask.owner_id, resource.name, ask.tag)
    if said is not None:
        again = UpdateRecord(kind="resource_limit", id=said.id, fields={"maximum": ask.maximum})
        record.update(again, desk)
        return
    fields = {"owner_id": ask.owner_id, "resource": resource.name, "maximum": ask.maximum}
    first = CreateRecord(kind="resource_limit", id=ask.id, fields=fields | {"tag": ask.tag})
    record.create(first, desk)


def _below_parent(domain: Domain, ask: SetLimit, resource: Resource, limits: Limits) -> None:
    if domain.parent_id is None:
        raise NotAllowed("the root domain has no limits: set them for a domain below it")
    most = limits.of(domain.parent_id, resource.name, ask.tag)
    if most != UNLIMITED and ask.maximum > most:
        raise Invalid(
            f"the domain above {domain.path} may have {most} {resource.name}: send max of at most "
            "that, or raise the limit above first",
            field="max",
        )
