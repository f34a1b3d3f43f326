"""Roles that came with the cloud stay as they are; others change as they are told."""

from __future__ import annotations

from uuid import UUID

from aggregates.errors import InUse, NotAllowed
from aggregates.role import Role
from engine.decide import Desk, decision
from engine.decisions.record import remove, update
from engine.intents.record import RemoveRecord, UpdateRecord
from engine.intents.role import ChangeRole, DeleteRole
from projections.account import accounts
from projections.role import roles

CHANGEABLE = ("name", "description", "is_public", "rules", "notes", "role_type", "state")


@decision
def change_role(ask: ChangeRole, desk: Desk) -> None:
    row = _own(desk, ask.role_id)
    named = {name: getattr(ask, name) for name in CHANGEABLE}
    fields = {name: value for name, value in named.items() if value is not None}
    if ask.role_type not in (None, row.role_type):
        having = next((one for one in desk.cloud[accounts] if one.role_id == row.id), None)
        if having is not None:
            raise InUse(f"account {having.name} has role {row.name}: its type stays as it is")
    update(UpdateRecord(kind="role", id=row.id, fields=fields), desk)


@decision
def delete_role(ask: DeleteRole, desk: Desk) -> None:
    remove(RemoveRecord(kind="role", id=_own(desk, ask.role_id).id), desk)


def _own(desk: Desk, role_id: UUID) -> Role:
    row = desk.row(roles, role_id)
    if row.is_default:
        raise NotAllowed(f"role {row.name} came with the cloud: it cannot be changed")
    return row
