"""Roles that came with the cloud stay as they are; others change as they are told."""

from __future__ import annotations

from uuid import UUID

from aggregates.errors import NotAllowed
from aggregates.role import Role
from engine.decide import Desk, decision
from engine.decisions.record import remove, update
from engine.intents.record import RemoveRecord, UpdateRecord
from engine.intents.role import ChangeRole, DeleteRole
from projections.role import roles

CHANGEABLE = ("name", "description", "is_public", "rules")


@decision
def change_role(ask: ChangeRole, desk: Desk) -> None:
    row = _own(desk, ask.role_id)
    named = {name: getattr(ask, name) for name in CHANGEABLE}
    fields = {name: value for name, value in named.items() if value is not None}
    update(UpdateRecord(kind="role", id=row.id, fields=fields), desk)


@decision
def delete_role(ask: DeleteRole, desk: Desk) -> None:
    remove(RemoveRecord(kind="role", id=_own(desk, ask.role_id).id), desk)


def _own(desk: Desk, role_id: UUID) -> Role:
    row = desk.row(roles, role_id)
    if row.is_default:
        raise NotAllowed(f"role {row.name} came with the cloud: it cannot be changed")
    return row
