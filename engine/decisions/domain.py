"""A domain's new name moves the paths of all below it, in one commit."""

from __future__ import annotations

from aggregates.errors import NotAllowed
from aggregates.record import RECORDS
from engine.decide import Desk, decision
from engine.decisions.record import update
from engine.genesis import ROOT_DOMAIN
from engine.intents.domain import RenameDomain
from engine.intents.record import UpdateRecord
from projections.domain import domains


@decision
def rename_domain(ask: RenameDomain, desk: Desk) -> None:
    top = desk.row(domains, ask.domain_id)
    if top.id == ROOT_DOMAIN:
        raise NotAllowed("the root domain keeps its name")
    before = top.path
    path = before[: before.rindex("/") + 1] + ask.name
    below = [one for one in desk.cloud[domains] if one.path.startswith(before + "/")]
    update(UpdateRecord(kind="domain", id=top.id, fields={"name": ask.name, "path": path}), desk)
    for one in below:
        moved = RECORDS["domain"].update(one, {"path": path + one.path.removeprefix(before)})
        if moved is not None:
            desk.change(one, moved)
