"""What a user needs to set up its second factor."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import View, view


@view
class SecondFactorView(View, kw_only=True):
    """A new secret, told this once."""

    id: Annotated[UUID, "the user"]
    username: Annotated[str, "what it signs in with"]
    account_id: Annotated[UUID, "its account"]
    secret_code: Annotated[str | None, "the secret, for an authenticator app"] = None


@view
class SecondFactorProviderView(View, kw_only=True):
    """A kind of second factor."""

    name: Annotated[str, "what setupUserTwoFactorAuthentication calls it"]
    description: Annotated[str, "what it is"]
