"""A domain's new name, or its new place, moves the paths of all below it, in one commit."""

from __future__ import annotations

from typing import Any

from aggregates.domain import Domain
from aggregates.errors import NotAllowed
from aggregates.record import RECORDS
from engine.decide import Desk, decision
from engine.decisions.record import update
from engine.genesis import ROOT_DOMAIN
from engine.intents.domain import MoveDomain, RenameDomain
from engine.intents.record import UpdateRecord
from projections.domain import domains


@decision
def rename_domain(ask: RenameDomain, desk: Desk) -> None:
    top = desk.row(domains, ask.domain_id)
    if top.id == ROOT_DOMAIN:
        raise NotAllowed("the root domain keeps its name")
    path = top.path[: top.path.rindex("/") + 1] + ask.name
    _carry(desk, top, {"name": ask.name, "path": path, "level": top.level})


@decision
def move_domain(ask: MoveDomain, desk: Desk) -> None:
    """Whoever governed what was above it no longer governs it, from the next request on."""
    top, parent = desk.row(domains, ask.domain_id), desk.row(domains, ask.parent_id)
    if top.id == ROOT_DOMAIN:
        raise NotAllowed("the root domain has its place")
    if parent.id == top.id or parent.path.startswith(top.path + "/"):
        raise NotAllowed(f"domain {parent.path} is {top.path} or below it: choose another parent")
    for one in (top, parent):
        if one.state != "Active":
            raise NotAllowed(f"domain {one.path} is being deleted")
    path = f"{parent.path.rstrip('/')}/{top.name}"
    _carry(desk, top, {"parent_id": parent.id, "path": path, "level": parent.level + 1})


def _carry(desk: Desk, top: Domain, fields: dict[str, Any]) -> None:
    """Change a domain, and the paths and depths of all below it with it."""
    before, path, deeper = top.path, str(fields["path"]), fields["level"] - top.level
    below = [one for one in desk.cloud[domains] if one.path.startswith(before + "/")]
    update(UpdateRecord(kind="domain", id=top.id, fields=fields), desk)
    for one in below:
        moved = {"path": path + one.path.removeprefix(before), "level": one.level + deeper}
        changed = RECORDS["domain"].update(one, moved)
        if changed is not None:
            desk.change(one, changed)
