"""Who may act for whom: nobody gains a right that they do not have themselves.

A domain administrator governs every account of its domain, but an administrator of the whole cloud
may live there too. So acting for an account also needs a role of no lower rank than the account's,
which may call every command that the account may: else a read-only administrator would only have
to ask for somebody's API key.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from uuid import UUID

from api.authz import may_call
from api.caller import Caller
from api.declare import REGISTRY
from api.errors import Denied, InvalidValue, ParamError
from api.identity import role_of, rules_in, unusable
from api.scope import named_account
from projections.account import Account, accounts
from projections.role import Role, roles
from projections.user import User, users

RANK = {"User": 0, "DomainAdmin": 1, "ResourceAdmin": 2, "Admin": 3}
TYPES = {0: "User", 1: "Admin", 2: "DomainAdmin", 3: "ResourceAdmin"}
BUILT_IN = {
    "User": "User",
    "Admin": "Root Admin",
    "DomainAdmin": "Domain Admin",
    "ResourceAdmin": "Resource Admin",
}
KEY_BYTES = 64

Rules = tuple[tuple[str, bool], ...]


def outranks(
    caller: Caller, role_type: str, rules: Rules | None, key_rules: Rules | None = None
) -> None:
    """Refuse to act for, or to make, who may do more than the caller: by rank or by rules.

    `key_rules` are those of a key that is being made: it may do what both kinds of rules allow.
    """
    who = caller.identity
    if RANK.get(role_type, 3) > RANK.get(caller.role_type, 0):
        raise Denied(
            f"account {who.account} is {caller.role_type} and may not act for, "
            f"or make, an account of type {role_type}: ask an administrator of that rank"
        )
    other = replace(who, role_type=role_type, rules=rules, key_rules=key_rules)
    for spec in REGISTRY.values():
        if may_call(other, spec) and not may_call(who, spec):
            raise Denied(
                f"account {who.account} may not call {spec.name} and cannot act for, or make, "
                "an account that may: ask an administrator who may"
            )


def account_of(
    caller: Caller, account_id: UUID | None, name: str | None, domain_id: UUID | None
) -> Account:
    """The account that a command means, by its id or by name and domain."""
    if account_id is None:
        if not name:
            raise ParamError("say which account is meant, by id or by account and domainid")
        account_id = named_account(caller, name, domain_id)
    row = caller.cloud[accounts][account_id]
    if row.role_type == "Project":
        raise Denied(f"account {row.name} is a project's: say what you want of the project")
    outranks(caller, *role_of(caller.cloud, row))
    return row


def user_of(caller: Caller, user_id: UUID, key_rules: Rules | None = None) -> User:
    """A user that the caller may change. Its id was checked: it is there, and governed.

    Users of one account have the same rights but not the same projects, and not each other's
    second factor: a plain user changes itself alone.
    """
    user = caller.cloud[users][user_id]
    outranks(caller, *role_of(caller.cloud, caller.cloud[accounts][user.account_id]), key_rules)
    if caller.role_type == "User" and user.id != caller.user_id:
        raise Denied(f"user {user.name} is another one: only an administrator may change it")
    return user


def lasting(caller: Caller, what: str) -> None:
    """Refuse what would outlive the key that the caller signs with."""
    if caller.identity.key_expires_at_ms is not None:
        raise Denied(f"a key that expires cannot give its user {what}: sign with a lasting one")


def role_for(caller: Caller, role_id: UUID | None, account_type: int | None) -> Role:
    """The role of a new account: the one that is named, or the built-in one of a type."""
    table = caller.cloud[roles]
    if role_id is not None:
        found: Role | None = table[role_id]
    elif account_type is None:
        raise ParamError("say what the account may do: roleid, or accounttype 0, 1, 2 or 3")
    else:
        name = BUILT_IN.get(TYPES.get(account_type, ""))
        found = next((row for row in table if row.name == name), None)
    if found is None:
        raise InvalidValue(f"there is no account type {account_type}: it is 0, 1, 2 or 3")
    outranks(caller, found.role_type, rules_in(found))
    if found.state != "enabled":
        raise InvalidValue(f"role {found.name} is disabled: enable it, or choose another")
    if not (found.is_public or caller.is_root):
        raise Denied(f"role {found.name} is given by root administrators only: choose another")
    return found


def password(text: str | None) -> str:
    """A password that may be set; what it is stays out of the message."""
    if not text:
        raise ParamError("the password is empty: choose one")
    return text


def new_key() -> str:
    """One half of an API key: 512 random bits."""
    return secrets.token_urlsafe(KEY_BYTES)


def chosen_id(text: str | None, caller: Caller) -> UUID:
    """The id that a provisioning system chose for what it creates, or a new one."""
    if not text:
        return caller.new_id()
    try:
        chosen = UUID(text)
    except ValueError:
        raise InvalidValue(f"{text} is no UUID: leave it out, or give one") from None
    if why := unusable(caller.cloud, chosen):
        raise InvalidValue(f"the id {text} {why}")
    return chosen
