"""Commands about API keys beside a user's main one: several, with limited rights, for a time."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.authz import governs
from api.caller import Caller
from api.commands.identity_checks import new_key, user_of
from api.commands.role import PERMISSION, RULE
from api.declare import Free, Moment, Names, Success, command, entry
from api.errors import Denied, InvalidValue, no_such_id
from api.lists import Filter, list_command
from api.views.api_key import ApiKeyView
from engine.intents.record import CreateRecord
from engine.intents.user import DeleteKey
from projections.api_key import ApiKey, api_keys
from projections.user import users

SINCE = "sagastack 0.1"
MOST = 100


@entry
class KeyRule:
    """One rule of a key."""

    rule: Annotated[str, "a command, or a pattern with *", RULE]
    permission: Annotated[str, "allow or deny", PERMISSION]


@command(
    "createUserKey",
    returns=ApiKeyView,
    key="userkey",
    allow="ARDU",
    action="REGISTER.USER.KEY",
    since=SINCE,
)
class CreateUserKey:
    """Make another API key for a user, with limited rights or for a limited time."""

    name: Annotated[str, "its name"]
    user_id: Annotated[
        UUID | None, "the user; the caller if not given", Names("user", right="operate")
    ] = None
    description: Annotated[str | None, "what it is for"] = None
    rules: Annotated[
        tuple[KeyRule, ...] | None, "what it may do, first match first; all if not given"
    ] = None
    expires: Annotated[Moment | None, "when it ends; never if not given"] = None

    async def run(self, caller: Caller) -> ApiKeyView:
        """The secret half is in this answer and in no other."""
        rules = tuple((one.rule, one.permission == "allow") for one in self.rules or ())
        user = user_of(caller, self.user_id or caller.user_id, rules or None)
        self._in_time(caller)
        having = list(caller.cloud[api_keys].by("user_id", user.id))
        if len(having) >= MOST:
            raise InvalidValue(f"user {user.name} has {MOST} keys: delete some first")
        if any(not one.is_main and one.name == self.name for one in having):
            raise InvalidValue(
                f"user {user.name} has a key {self.name} already: choose another name"
            )
        key, secret, row_id = new_key(), new_key(), caller.new_id()
        fields: dict[str, Any] = {
            "key": key,
            "user_id": user.id,
            "secret_ref": await caller.seal(secret),
            "name": self.name,
            "description": self.description or "",
            "rules": list(rules),
            "expires_at_ms": self.expires,
            "is_main": False,
        }
        await caller.decide(CreateRecord(kind="api_key", id=row_id, fields=fields))
        shown = ApiKeyView.of(caller.cloud[api_keys][row_id], caller.cloud)
        shown.secret_key = secret
        return shown

    def _in_time(self, caller: Caller) -> None:
        """Not in the past, and not longer than the key that asks for it."""
        if self.expires is not None and self.expires <= caller.now_ms:
            raise InvalidValue("expires is in the past: choose a later time")
        last = caller.identity.key_expires_at_ms
        if last is not None and (self.expires is None or self.expires > last):
            raise Denied("a key cannot make one that lasts longer: give an earlier expires")


@command("deleteUserKey", returns=Success, allow="ARDU", action="DELETE.USER.KEY", since=SINCE)
class DeleteUserKey:
    """Delete an API key; it stops working at once."""

    id: Annotated[UUID, "the key", Free("only its user and who governs that user find it")]

    async def run(self, caller: Caller) -> None:
        row = caller.cloud[api_keys].get(self.id)
        if row is None or not _finds(caller, row):
            raise no_such_id("deleteUserKey", "id", str(self.id))
        user_of(caller, row.user_id)
        await caller.submit(DeleteKey(key_id=row.id))


@list_command(
    "listUserKeys", view=ApiKeyView, table=api_keys, key="userkey", scope="custom", since=SINCE
)
class ListUserKeys:
    """List the caller's API keys; administrators list those of the users that they govern."""

    user_id: Annotated[UUID | None, "those of this user", Names("user", right="operate")] = None
    id: Annotated[UUID | None, "the one with this id", Free("what is not found is empty")] = None
    ids: Annotated[
        tuple[UUID, ...] | None,
        "several by their ids",
        Free("what is not found is empty"),
        Filter("id"),
    ] = None

    def visible(self, row: Any, caller: Caller) -> bool:
        everyone = self.user_id is not None or bool(getattr(self, "list_all", None))
        return row.user_id == caller.user_id or (everyone and _finds(caller, row))


def _finds(caller: Caller, row: ApiKey) -> bool:
    """Is it the caller's own, or of a user that the caller governs?"""
    user = caller.cloud[users].get(row.user_id)
    own = row.user_id == caller.user_id
    return own or (user is not None and governs(caller.identity, caller.cloud, user.domain_id))
