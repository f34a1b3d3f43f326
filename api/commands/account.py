"""Commands about accounts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated
from uuid import UUID

from api.caller import Caller, Job
from api.commands import state_words
from api.commands.identity_checks import (
    account_of,
    chosen_id,
    password,
    role_for,
)
from api.commands.resolving import DNS_DOMAIN
from api.commands.time_zone import time_zone
from api.declare import Free, Idle, Length, Names, OneOf, Roles, Success, command
from api.errors import Denied
from api.lists import Filter, Test, list_command
from api.views.account import AccountView
from api.views.user import ACCOUNT_TYPES
from engine.genesis import SYSTEM_ACCOUNT
from engine.intents.account import DeleteAccount, SetAccountState
from engine.intents.job import AsJob
from engine.intents.record import CreateRecord, Together, UpdateRecord
from projections.account import Account, accounts

ACCESS = OneOf("enabled", "disabled", "inherit")


@command("createAccount", returns=AccountView, key="account", allow="ARD", action="ACCOUNT.CREATE")
class CreateAccount:
    """Create an account and its first user."""

    username: Annotated[str, "what its first user signs in with"]
    password: Annotated[str, "that user's password", Length(1024)]
    email: Annotated[str, "that user's mail address"]
    first_name: Annotated[str, "that user's first name"]
    last_name: Annotated[str, "that user's last name"]
    account: Annotated[str | None, "its name; the user's if not given"] = None
    account_type: Annotated[int | None, "0 user, 1 root, 2 domain, 3 resource admin"] = None
    role_id: Annotated[UUID | None, "what it may do", Names("role")] = None
    domain_id: Annotated[
        UUID | None, "the domain that it is in", Names("domain", right="operate")
    ] = None
    network_domain: Annotated[str | None, "the DNS suffix of its networks", DNS_DOMAIN] = None
    account_details: Annotated[dict[str, str] | None, "its settings"] = None
    timezone: Annotated[str | None, "the user's time zone", time_zone] = None
    account_id: Annotated[str | None, "an id for it", Free("it names nothing yet")] = None
    user_id: Annotated[str | None, "an id for the user", Free("it names nothing yet")] = None

    async def run(self, caller: Caller) -> Account:
        """Both in one commit: there is no account without a user."""
        role = role_for(caller, self.role_id, self.account_type)
        domain_id = self.domain_id or caller.domain_id
        row_id, user_id = chosen_id(self.account_id, caller), chosen_id(self.user_id, caller)
        account = {
            "name": self.account or self.username,
            "domain_id": domain_id,
            "role_id": role.id,
            "role_type": role.role_type,
            "network_domain": self.network_domain or "",
            "details": dict(self.account_details or {}),
        }
        user = {
            "name": self.username,
            "account_id": row_id,
            "domain_id": domain_id,
            "password_ref": await caller.seal_password(password(self.password)),
            "first_name": self.first_name,
            "last_name": self.last_name,
            "email": self.email,
            "timezone": self.timezone or "",
        }
        first = CreateRecord(kind="account", id=row_id, fields=account)
        second = CreateRecord(kind="user", id=user_id, fields=user)
        await caller.decide(Together(asks=(first, second)))
        return caller.cloud[accounts][row_id]


@command("updateAccount", returns=AccountView, key="account", allow="ARD", action="ACCOUNT.UPDATE")
class UpdateAccount:
    """Rename an account, or change what it may do."""

    id: Annotated[UUID | None, "the account", Names("account", right="operate")] = None
    account: Annotated[str | None, "the account by name; the domain is given too"] = None
    domain_id: Annotated[UUID | None, "its domain", Names("domain", right="operate")] = None
    new_name: Annotated[str | None, "its new name"] = None
    role_id: Annotated[UUID | None, "what it may do", Names("role")] = None
    network_domain: Annotated[str | None, "the DNS suffix of its networks", DNS_DOMAIN] = None
    account_details: Annotated[dict[str, str] | None, "its settings"] = None
    api_key_access: Annotated[
        str | None, "Enabled, Disabled or Inherit: may its users sign?", ACCESS, Roles("Admin")
    ] = None

    async def run(self, caller: Caller) -> Account:
        row = account_of(caller, self.id, self.account, self.domain_id)
        fields: dict[str, object] = {}
        if self.new_name:
            fields["name"] = self.new_name
        if self.role_id is not None:
            if row.id == caller.account_id:  # the last administrator would be none
                raise Denied(f"account {row.name} gives itself no other role: ask another admin")
            role = role_for(caller, self.role_id, None)
            fields |= {"role_id": role.id, "role_type": role.role_type}
        if self.network_domain is not None:
            fields["network_domain"] = self.network_domain
        if self.account_details is not None:
            fields["details"] = dict(self.account_details)
        if self.api_key_access is not None:
            fields["api_key_access"] = self.api_key_access
        await caller.decide(UpdateRecord(kind="account", id=row.id, fields=fields))
        return caller.cloud[accounts][row.id]


@command("deleteAccount", returns=Success, is_async=True, allow="ARD", action="ACCOUNT.DELETE")
class DeleteAccountCommand:
    """Delete an account with its users and all that it owns; it is closed at once."""

    id: Annotated[UUID, "the account", Names("account", right="operate")]

    async def run(self, caller: Caller) -> Job:
        row = account_of(caller, self.id, None, None)
        return await caller.submit(DeleteAccount(account_id=row.id))


@command("enableAccount", returns=AccountView, key="account", allow="ARD", action="ACCOUNT.ENABLE")
class EnableAccount:
    """Let the users of an account act again."""

    id: Annotated[UUID | None, "the account", Names("account", right="operate")] = None
    account: Annotated[str | None, "the account by name; the domain is given too"] = None
    domain_id: Annotated[UUID | None, "its domain", Names("domain", right="operate")] = None

    async def run(self, caller: Caller) -> Account:
        row = account_of(caller, self.id, self.account, self.domain_id)
        await caller.decide(SetAccountState(account_id=row.id, state="enabled"))
        return caller.cloud[accounts][row.id]


@command(
    "disableAccount",
    returns=AccountView,
    key="account",
    is_async=True,
    allow="ARD",
    action="ACCOUNT.DISABLE",
)
class DisableAccount:
    """Let the users of an account do nothing; what it runs keeps running."""

    lock: Annotated[bool, "lock it instead of disabling it"]
    id: Annotated[UUID | None, "the account", Names("account", right="operate")] = None
    account: Annotated[str | None, "the account by name; the domain is given too"] = None
    domain_id: Annotated[UUID | None, "its domain", Names("domain", right="operate")] = None

    async def run(self, caller: Caller) -> Job:
        row = account_of(caller, self.id, self.account, self.domain_id)
        ask = SetAccountState(account_id=row.id, state="locked" if self.lock else "disabled")
        return await caller.submit(AsJob(ask=ask, subject_kind="account", subject_id=row.id))


@command("lockAccount", returns=AccountView, key="account", allow="ARD", action="ACCOUNT.LOCK")
class LockAccount:
    """Let the users of an account do nothing until it is enabled."""

    account: Annotated[str, "the account's name"]
    domain_id: Annotated[UUID, "its domain", Names("domain", right="operate")]

    async def run(self, caller: Caller) -> Account:
        row = account_of(caller, None, self.account, self.domain_id)
        await caller.decide(SetAccountState(account_id=row.id, state="locked"))
        return caller.cloud[accounts][row.id]


def _is_type(row: Account, wanted: int) -> bool:
    return ACCOUNT_TYPES.get(row.role_type) == wanted


def _is_somebody(row: Account) -> bool:
    """Neither the cloud itself, nor a project."""
    return row.id != SYSTEM_ACCOUNT and row.role_type != "Project"


def _is_ending(row: Account, wanted: bool) -> bool:
    return (row.ending is not None) == wanted


@list_command("listAccounts", view=AccountView, table=accounts, key="account", scope="owned")
class ListAccounts:
    """List accounts."""

    show_icon: Annotated[bool | None, "also the icon of each", Filter()] = None
    account_type: Annotated[int | None, "those of this type", Filter(test=_is_type)] = None
    state: Annotated[str | None, "those in this state", state_words.ACCOUNT] = None
    is_cleanup_required: Annotated[
        bool | None, "those that are being deleted, or are not", Filter(test=_is_ending)
    ] = None
    api_key_access: Annotated[
        str | None, "those of which this was said", ACCESS, Roles("Admin")
    ] = None
    details: Annotated[
        tuple[str, ...] | None, "accepted, and of no effect", Idle("everything is shown")
    ] = None
    tag: Annotated[
        str | None, "accepted, and of no effect", Idle("limits by tags are all shown")
    ] = None

    def tests(self, caller: Caller) -> Iterator[Test]:
        yield _is_somebody


@command(
    "markDefaultZoneForAccount",
    returns=AccountView,
    key="account",
    is_async=True,
    allow="A",
    action="ACCOUNT.MARK.DEFAULT.ZONE",
)
class MarkDefaultZone:
    """Say which zone the guests of an account are meant for."""

    account: Annotated[str, "the account's name"]
    domain_id: Annotated[UUID, "its domain", Names("domain", right="operate")]
    zone_id: Annotated[UUID, "the zone", Names("zone")]

    async def run(self, caller: Caller) -> Job:
        row = account_of(caller, None, self.account, self.domain_id)
        ask = UpdateRecord(kind="account", id=row.id, fields={"default_zone_id": self.zone_id})
        return await caller.submit(AsJob(ask=ask, subject_kind="account", subject_id=row.id))
