"""Who says that a password is right: the sealed store, or a directory that is asked.

A user's `source` names its authenticator. To add one (LDAP, SAML, OpenID Connect), put an object
with `proves` into `AUTHENTICATORS` under the name of the source; nothing else knows of it. A source
that nobody serves proves nothing, and costs as much as one that does.
"""

from __future__ import annotations

from typing import Any, Protocol
from uuid import UUID

from api.caller import Engine


class Authenticator(Protocol):
    """Checks what somebody proves themselves with; it never raises for a wrong proof."""

    async def proves(self, engine: Engine, user: Any, password: str) -> bool:
        """Is this the user's password?"""
        ...


class Passwords:
    """The hashes of the sealed store."""

    async def proves(self, engine: Engine, user: Any, password: str) -> bool:
        return await engine.check_password(user.id, password)


NATIVE = "native"
AUTHENTICATORS: dict[str, Authenticator] = {NATIVE: Passwords()}


async def proven(engine: Engine, user: Any, password: str) -> bool:
    """Does the password prove the user? Asked of nobody, it takes as long and says no."""
    nobody: UUID | None = None
    if user is None:
        return await engine.check_password(nobody, password)
    asked = AUTHENTICATORS.get(getattr(user, "source", NATIVE))
    if asked is None:
        return await engine.check_password(nobody, password) and False
    return await asked.proves(engine, user, password)
