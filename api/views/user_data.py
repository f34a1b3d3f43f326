"""User data as the wire shows it: what is kept under a name, and what a guest was given."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Cloud, View, view
from api.views.owner import OwnedView, owner
from projections.annotation import is_noted
from projections.user_data import UserData


@view
class UserDataView(OwnedView, kw_only=True):
    """User data that is kept under a name."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name"]
    account_id: Annotated[UUID, "the account that owns it"]
    user_data: Annotated[str, "the content in base64"]
    params: Annotated[str | None, "the names of what a guest may say for itself"] = None
    has_annotations: Annotated[bool, "whether there are comments on it"]

    @classmethod
    def of(cls, row: UserData, cloud: Cloud) -> UserDataView:
        return cls(
            id=row.id,
            name=row.name,
            account_id=row.account_id,
            user_data=row.content,
            params=",".join(row.params) or None,
            has_annotations=is_noted(row.id, cloud),
            **owner(row, cloud),
        )


@view
class VmUserDataView(View, kw_only=True):
    """The user data of a virtual machine."""

    virtual_machine_id: Annotated[UUID, "the virtual machine"]
    user_data: Annotated[str, "its user data in base64"]
