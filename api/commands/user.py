"""Commands about users and their API keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from uuid import UUID

from api.caller import Caller, Job
from api.commands import state_words
from api.commands.identity_checks import (
    account_of,
    chosen_id,
    lasting,
    new_key,
    password,
    user_of,
)
from api.commands.time_zone import time_zone
from api.declare import Free, Length, Names, OneOf, Roles, Success, command
from api.errors import Denied, InvalidValue
from api.lists import Filter, Test, WithIcons, list_command
from api.views.user import ACCOUNT_TYPES, UserKeysView, UserView
from engine.genesis import SYSTEM_USER
from engine.intents.record import CreateRecord
from engine.intents.user import ChangeUser, DeleteUser, MoveUser, RekeyUser
from projections.account import accounts
from projections.api_key import api_keys, main_key
from projections.user import User, users

ACCESS = OneOf("enabled", "disabled", "inherit")


@command("createUser", returns=UserView, key="user", allow="ARD", action="USER.CREATE")
class CreateUser:
    """Create another user of an account."""

    account: Annotated[str, "the account that it acts for"]
    username: Annotated[str, "what it signs in with"]
    password: Annotated[str, "its password", Length(1024)]
    email: Annotated[str, "its mail address"]
    first_name: Annotated[str, "its first name"]
    last_name: Annotated[str, "its last name"]
    domain_id: Annotated[
        UUID | None, "the domain of the account", Names("domain", right="operate")
    ] = None
    timezone: Annotated[str | None, "its time zone", time_zone] = None
    user_id: Annotated[str | None, "an id for it", Free("it names nothing yet")] = None

    async def run(self, caller: Caller) -> User:
        account = account_of(caller, None, self.account, self.domain_id)
        row_id = chosen_id(self.user_id, caller)
        fields = {
            "name": self.username,
            "account_id": account.id,
            "domain_id": account.domain_id,
            "password_ref": await caller.seal_password(password(self.password)),
            "first_name": self.first_name,
            "last_name": self.last_name,
            "email": self.email,
            "timezone": self.timezone or "",
        }
        await caller.decide(CreateRecord(kind="user", id=row_id, fields=fields))
        return caller.cloud[users][row_id]


@command("updateUser", returns=UserView, key="user", allow="ARDU", action="USER.UPDATE")
class UpdateUser:
    """Change a user, its password or its API key."""

    id: Annotated[UUID, "the user", Names("user", right="operate")]
    username: Annotated[str | None, "what it signs in with"] = None
    first_name: Annotated[str | None, "its first name"] = None
    last_name: Annotated[str | None, "its last name"] = None
    email: Annotated[str | None, "its mail address"] = None
    timezone: Annotated[str | None, "its time zone", time_zone] = None
    password: Annotated[str | None, "its new password", Length(1024)] = None
    current_password: Annotated[
        str | None, "its present password; needed unless an administrator asks", Length(1024)
    ] = None
    user_api_key: Annotated[str | None, "the public half of a key of one's choice"] = None
    user_secret_key: Annotated[str | None, "the other half of that key"] = None
    mandate_2fa: Annotated[bool | None, "whether it must prove itself by a second factor"] = None
    api_key_access: Annotated[
        str | None, "Enabled, Disabled or Inherit: may it sign with keys?", ACCESS, Roles("Admin")
    ] = None

    async def run(self, caller: Caller) -> User:
        """A replaced password or key is shredded once the new one counts."""
        user = user_of(caller, self.id)
        asked: Mapping[str, Any] = {
            "name": self.username,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "email": self.email,
            "timezone": self.timezone,
        }
        fields = {name: value for name, value in asked.items() if value is not None}
        fields |= self._for_admins(caller)
        if self.password is not None:
            lasting(caller, "another password")
            await self._prove(caller, user)
            fields["password_ref"] = await caller.seal_password(password(self.password))
        if fields:
            await caller.submit(ChangeUser(user_id=user.id, fields=fields))
        if self.user_api_key or self.user_secret_key:
            lasting(caller, "another key")
            await rekey(caller, user, self.user_api_key, self.user_secret_key)
        return caller.cloud[users][user.id]

    def _for_admins(self, caller: Caller) -> dict[str, Any]:
        """What a user may not decide for itself."""
        found: dict[str, Any] = {}
        if self.mandate_2fa is not None:
            if caller.role_type == "User":
                raise Denied("mandate2fa is an administrator's to set: leave it out")
            found["second_factor_mandated"] = self.mandate_2fa
        if self.api_key_access is not None:
            found["api_key_access"] = self.api_key_access
        return found

    async def _prove(self, caller: Caller, user: User) -> None:
        """A session that was left open must not be enough to take a user over."""
        if caller.role_type != "User":
            return
        given = self.current_password or ""
        if not await caller.engine.check_password(user.id, given):
            raise Denied("currentpassword is not the present password: give that one")


@command("deleteUser", returns=Success, allow="ARD", action="USER.DELETE")
class DeleteUserCommand:
    """Delete a user and its keys."""

    id: Annotated[UUID, "the user", Names("user", right="operate")]

    async def run(self, caller: Caller) -> None:
        await caller.submit(DeleteUser(user_id=user_of(caller, self.id).id))


@command("enableUser", returns=UserView, key="user", allow="ARD", action="USER.ENABLE")
class EnableUser:
    """Let a user act again."""

    id: Annotated[UUID, "the user", Names("user", right="operate")]

    async def run(self, caller: Caller) -> User:
        await _set_state(caller, self.id, "enabled")
        return caller.cloud[users][self.id]


@command(
    "disableUser", returns=UserView, key="user", is_async=True, allow="ARD", action="USER.DISABLE"
)
class DisableUser:
    """Let a user do nothing."""

    id: Annotated[UUID, "the user", Names("user", right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await _set_state(caller, self.id, "disabled")


@command("lockUser", returns=UserView, key="user", allow="ARD", action="USER.LOCK")
class LockUser:
    """Let a user do nothing until it is enabled."""

    id: Annotated[UUID, "the user", Names("user", right="operate")]

    async def run(self, caller: Caller) -> User:
        await _set_state(caller, self.id, "locked")
        return caller.cloud[users][self.id]


@command("moveUser", returns=Success, allow="A", action="USER.MOVE", since="4.11")
class MoveUserCommand:
    """Let a user act for another account of its domain."""

    id: Annotated[UUID, "the user", Names("user", right="operate")]
    account_id: Annotated[UUID | None, "the account", Names("account", right="operate")] = None
    account: Annotated[str | None, "the account by its name"] = None

    async def run(self, caller: Caller) -> None:
        user = user_of(caller, self.id)
        account = account_of(caller, self.account_id, self.account, user.domain_id)
        await caller.decide(MoveUser(user_id=user.id, account_id=account.id))


async def _set_state(caller: Caller, user_id: UUID, state: str) -> Job:
    user = user_of(caller, user_id)
    return await caller.submit(ChangeUser(user_id=user.id, fields={"state": state}))


@command("getUser", returns=UserView, key="user", allow="A")
class GetUser:
    """Find the user of an API key."""

    user_api_key: Annotated[str, "the public half of its key"]

    async def run(self, caller: Caller) -> User:
        key = caller.cloud[api_keys].one("key", self.user_api_key)
        if key is None:
            raise InvalidValue("no user has this API key")
        return caller.cloud[users][key.user_id]


@command(
    "registerUserKeys",
    returns=UserKeysView,
    key="userkeys",
    allow="ARDU",
    action="REGISTER.USER.KEY",
)
class RegisterUserKeys:
    """Make a new main API key for a user; the one that it has stops working."""

    id: Annotated[UUID, "the user", Names("user", right="operate")]

    async def run(self, caller: Caller) -> UserKeysView:
        lasting(caller, "another key")
        key, secret = new_key(), new_key()
        await rekey(caller, user_of(caller, self.id), key, secret)
        return UserKeysView(api_key=key, secret_key=secret)


async def rekey(caller: Caller, user: User, key: str | None, secret: str | None) -> None:
    """Put a key in the place of those that a user has."""
    if not key or not secret:
        raise InvalidValue("an API key has two halves: userapikey and usersecretkey")
    there = caller.cloud[api_keys].one("key", key)
    if there is not None:
        raise InvalidValue("this API key is in use: choose another")
    secret_ref = await caller.seal(secret)
    key_id = caller.new_id()
    await caller.submit(RekeyUser(user_id=user.id, key_id=key_id, key=key, secret_ref=secret_ref))


@command("getUserKeys", returns=UserKeysView, key="userkeys", allow="ARDU")
class GetUserKeys:
    """Show both halves of a user's main API key."""

    id: Annotated[UUID, "the user", Names("user", right="operate")]

    async def run(self, caller: Caller) -> UserKeysView:
        """Empty while the user has none."""
        user = user_of(caller, self.id)
        key = main_key(caller.cloud, user.id)
        if key is None:
            return UserKeysView()
        return UserKeysView(api_key=key.key, secret_key=await caller.secret(key.secret_ref))


def _is_somebody(row: User) -> bool:
    """Not the cloud itself."""
    return row.id != SYSTEM_USER


@list_command("listUsers", view=UserView, table=users, key="user", scope="owned")
class ListUsers(WithIcons):
    """List users."""

    username: Annotated[str | None, "the one that signs in with this name", Filter("name")] = None
    state: Annotated[str | None, "those in this state", state_words.ACCOUNT] = None
    account_type: Annotated[int | None, "those whose account is of this type", Filter()] = None
    user_source: Annotated[
        str | None, "those whose password is checked there", Filter("source")
    ] = None
    api_key_access: Annotated[
        str | None, "those of which this was said", ACCESS, Roles("Admin")
    ] = None

    def tests(self, caller: Caller) -> Iterator[Test]:
        """The account's type is not in the user's row."""
        yield _is_somebody
        if self.account_type is not None:
            yield lambda row: self._is_of_type(row, caller)

    def _is_of_type(self, row: User, caller: Caller) -> bool:
        account = caller.cloud[accounts].get(row.account_id)
        return account is not None and ACCOUNT_TYPES.get(account.role_type) == self.account_type
