"""An API key as lists show it: what it may do and until when, and never its secret half."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.authz import noun
from api.declare import Cloud, Date, View, date, view
from projections.api_key import ApiKey, api_keys
from projections.user import users

# A key is seen by its user alone and by administrators, which the commands check.
noun(api_keys.kind, "admin")


@view
class ApiKeyView(View, kw_only=True):
    """How a program signs for a user."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str | None, "its name"] = None
    description: Annotated[str | None, "what it is for"] = None
    api_key: Annotated[str, "the public half"]
    secret_key: Annotated[str | None, "the other half, told once when it is made"] = None
    user_id: Annotated[UUID, "the user that it signs for"]
    username: Annotated[str | None, "the name of that user"] = None
    rules: Annotated[list[dict[str, str]], "what it may do, first match first; empty: all"]
    is_main: Annotated[bool, "whether registerUserKeys replaces it"]
    created: Annotated[Date, "when it was made"]
    expires: Annotated[Date | None, "when it ends"] = None

    @classmethod
    def of(cls, row: ApiKey, cloud: Cloud) -> ApiKeyView:
        user = cloud[users].get(row.user_id)
        return cls(
            id=row.id,
            name=row.name or None,
            description=row.description or None,
            api_key=row.key,
            user_id=row.user_id,
            username=user.name if user else None,
            rules=[
                {"rule": rule, "permission": "allow" if yes else "deny"} for rule, yes in row.rules
            ],
            is_main=row.is_main,
            created=date(row.created_at_ms),
            expires=date(row.expires_at_ms),
        )
