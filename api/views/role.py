"""A role and its rules as the wire shows them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.authz import noun
from api.declare import Cloud, View, view
from projections.role import Role, roles

noun(roles.kind, "catalogue")


@view
class RoleView(View, kw_only=True):
    """What the accounts that have it may do."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name"]
    type: Annotated[str, "Admin, ResourceAdmin, DomainAdmin or User"]
    description: Annotated[str | None, "what it is for"] = None
    is_default: Annotated[bool, "whether it came with the cloud and stays as it is"]
    is_public: Annotated[bool, "whether domain administrators may give it"]
    state: Annotated[str, "enabled, or disabled: then whoever has it may do nothing"]

    @classmethod
    def of(cls, row: Role, cloud: Cloud) -> RoleView:
        return cls(
            id=row.id,
            name=row.name,
            type=row.role_type,
            description=row.description or None,
            is_default=row.is_default,
            is_public=row.is_public,
            state=row.state,
        )


@view
class RolePermissionView(View, kw_only=True):
    """One rule of a role: the first whose pattern fits a command decides."""

    id: Annotated[UUID, "its id"]
    role_id: Annotated[UUID, "the role"]
    role_name: Annotated[str, "the name of that role"]
    rule: Annotated[str, "a command, or a pattern with *"]
    permission: Annotated[str, "allow or deny"]
    description: Annotated[str | None, "why it is there"] = None
