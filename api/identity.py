"""Who sends this request? By signature, by session, or not at all; always with the same 401.

An identity is read from the cloud for each request, so a disabled user, a removed key or a changed
role counts from the next request on. Everything unclear fails closed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from api.authz import domain_path, first_match
from api.caller import Engine, Identity
from api.errors import SecondFactorNeeded, Unauthorized, Unsupported
from api.sessions import Session, SessionStore
from api.sign import Pairs, is_fresh, is_signed
from api.signers import Signers
from projections.cloud import Cloud
from projections.setting import is_on, number_of
from projections.table import TABLES

# Compared with when a key is unknown, so that an unknown key costs what a wrong signature costs.
NO_SECRET = "no such key"
# A path that no domain can have: names hold neither slashes nor control characters.
NOWHERE = "/\x00"


def identify(cloud: Cloud, user_id: UUID | None) -> Identity | None:
    """The identity of an enabled user of an enabled account; None for anybody else."""
    user = cloud.table("user").get(user_id)
    account = None if user is None else cloud.table("account").get(user.account_id)
    if user is None or account is None or not (_enabled(user) and _enabled(account)):
        return None
    path = domain_path(cloud, account.domain_id)
    if path is None:
        return None
    role_type, rules = role_of(cloud, account)
    return Identity(
        user_id=user.id,
        account_id=account.id,
        domain_id=account.domain_id,
        role_type=role_type,
        domain_path=path,
        username=user.name,
        account=account.name,
        projects=_projects(cloud, user.id, account.id),
        rules=rules,
    )


def as_then(who: Identity, cloud: Cloud) -> Identity:
    """Who is who it is now, and governs below where its domain stood in that cloud.

    A path may have been another domain's then. Of a domain that was not there yet, nothing is
    below, and what was nobody's then is nobody's.
    """
    path = domain_path(cloud, who.domain_id)
    return replace(who, domain_path=NOWHERE if path is None else path)


def _enabled(row: Any) -> bool:
    return str(getattr(row, "state", "")).lower() == "enabled"


def role_of(cloud: Cloud, account: Any) -> tuple[str, tuple[tuple[str, bool], ...] | None]:
    """The role type of an account and the rules of its role.

    Only a built-in role may have no rules and then does what its type may; a custom role without
    rules may do nothing.
    """
    role = optional(cloud, "role", getattr(account, "role_id", None))
    if role is None:
        return str(account.role_type), None
    return str(role.role_type), rules_in(role)


def rules_in(role: Any) -> tuple[tuple[str, bool], ...] | None:
    """The rules of a role; None for a built-in one that may do what its type may.

    No rule at all, as a disabled role has, allows nothing.
    """
    if getattr(role, "state", "enabled") != "enabled":
        return ()
    rules = tuple((pattern, bool(ok)) for pattern, ok in role.rules)
    return None if role.is_default and not rules else rules


def optional(cloud: Cloud, kind: str, row_id: UUID | None) -> Any:
    """A row of a noun that this cloud may not have at all."""
    try:
        return cloud.table(kind).get(row_id)
    except KeyError:
        return None


def unusable(cloud: Cloud, chosen: UUID) -> str:
    """Why an id of a caller's choice cannot be given to something new; empty if it can.

    Streams that the engine derives from others (what a host has to give, who holds an address)
    have ids of versions 3 and 5. Nobody may occupy one before the engine does.
    """
    if chosen.version in (3, 5):
        return "must not be derived from a name (version 3 or 5): take a random one (version 4)"
    taken = any(optional(cloud, kind, chosen) is not None for kind in TABLES)
    return "is taken: choose another" if taken else ""


def _projects(cloud: Cloud, user_id: UUID, account_id: UUID) -> frozenset[UUID]:
    """The accounts of the projects of which the user or its account is a member."""
    return frozenset(project.account_id for project, _ in memberships(cloud, user_id, account_id))


def memberships(cloud: Cloud, user_id: UUID, account_id: UUID) -> Iterator[tuple[Any, Any]]:
    """Each project of a user with how it is a member: by itself, or as its whole account is."""
    for member in cloud.table("project_member").by("account_id", account_id):
        if member.user_id in (None, user_id):
            project = cloud.table("project").get(member.project_id)
            if project is not None:
                yield project, member


def within(who: Identity, cloud: Cloud, command: str, project_id: str = "") -> Identity:
    """Who without those of its projects in which its project role denies this command.

    What such a project has does not exist for it, as for somebody who is no member; who names the
    project itself is told why.
    """
    if not who.projects:
        return who
    closed, open_in = set(), set()
    for project, member in memberships(cloud, who.user_id, who.account_id):
        role = optional(cloud, "project_role", member.project_role_id)
        if allows(role, command):
            open_in.add(project.account_id)
            continue
        closed.add(project.account_id)
        if str(project.id) == project_id.lower():
            raise Unsupported(
                f"The API [{command}] is not available for the account {who.account} in project "
                f"{project.name}: the project role {role.name} denies it"
            )
    # Of two memberships, as a user and as its account, the one that allows counts.
    return who if not closed - open_in else replace(who, projects=frozenset(open_in))


def allows(project_role: Any, command: str) -> bool:
    """May a member of this project role call the command in the project? Without rules it may."""
    if project_role is None or not project_role.rules:
        return True
    return first_match(((rule, bool(ok)) for rule, ok, _ in project_role.rules), command)


async def by_signature(
    engine: Engine,
    pairs: Pairs,
    params: Mapping[str, str],
    now_ms: int,
    signers: Signers | None = None,
) -> Identity:
    """The holder of the key that signed these parameters; `params` are by lower-cased names."""
    cloud = engine.cloud
    key = cloud.table("api_key").one("key", params.get("apikey", ""))
    secret = NO_SECRET
    if key is not None:
        try:
            secret = await engine.secret(key.secret_ref)
        except KeyError:
            key = None
    signed = is_signed(pairs, secret, params.get("signature", ""))
    if key is None or not signed or not is_fresh(params, now_ms) or _expired(key, now_ms):
        raise Unauthorized
    kept = None if signers is None else signers.get(key)
    if kept is not None:
        return kept
    found = _holder(engine.cloud, key)
    if signers is not None:
        signers.keep(key, found)
    return found


def _holder(cloud: Cloud, key: Any) -> Identity:
    """The user of a key, if it may sign with keys, with what this one narrows."""
    found = identify(cloud, key.user_id)
    if found is None or not key_access(cloud, found):
        raise Unauthorized
    rules = tuple((pattern, bool(ok)) for pattern, ok in getattr(key, "rules", ()))
    expires_at_ms = _expiry(key)
    if not rules and expires_at_ms is None:
        return found
    return replace(found, key_rules=rules or None, key_expires_at_ms=expires_at_ms)


def key_access(cloud: Cloud, who: Identity) -> bool:
    """May this user sign with keys? Its own word counts, then its account's, then the setting's."""
    user, account = cloud.table("user")[who.user_id], cloud.table("account")[who.account_id]
    for row in (user, account):
        said = str(getattr(row, "api_key_access", "inherit")).lower()
        if said != "inherit":
            return said == "enabled"
    return is_on(cloud, "api.key.access")


def _expiry(key: Any) -> int | None:
    found: int | None = getattr(key, "expires_at_ms", None)
    return found


def _expired(key: Any, now_ms: int) -> bool:
    expires_at_ms = _expiry(key)
    return expires_at_ms is not None and expires_at_ms <= now_ms


def stamp_of(cloud: Cloud, user: Any) -> str:
    """What ends a user's sessions when it changes: it was locked out, or has another password."""
    account = cloud.table("account").get(user.account_id)
    return f"{getattr(user, 'epoch', 0)}/{getattr(account, 'epoch', 0)}"


def idle_ms(cloud: Cloud) -> int:
    """How long a session may be unused."""
    return int(number_of(cloud, "session.timeout") * 60_000)


async def by_session(
    engine: Engine,
    sessions: SessionStore,
    cookies: Mapping[str, str],
    param_key: str,
    now_ms: int,
) -> tuple[Identity, Session]:
    """The user of the session, if its key came both as a cookie and as a parameter."""
    session = await sessions.check(
        cookies.get("JSESSIONID", ""),
        cookies.get("sessionkey", ""),
        param_key,
        now_ms,
        idle_ms(engine.cloud),
    )
    found = None if session is None else identify(engine.cloud, session.user_id)
    if session is None or found is None or not _lasts(engine.cloud, session):
        if session is not None:
            await sessions.revoke(session)
        raise Unauthorized("unable to verify user credentials")
    return found, session


def _lasts(cloud: Cloud, session: Session) -> bool:
    user = cloud.table("user").get(session.user_id)
    return user is not None and stamp_of(cloud, user) == session.stamp


# What a session may do before its second factor was given, and before one was set up.
TO_GIVE = frozenset({"validateUserTwoFactorAuthenticationCode"})
TO_SET_UP = TO_GIVE | {
    "setupUserTwoFactorAuthentication",
    "listUserTwoFactorAuthenticatorProviders",
}


def second_factor(cloud: Cloud, user: Any) -> tuple[bool, bool]:
    """Does the user have a second factor that is asked for, and must it have one?"""
    on = bool(getattr(user, "second_factor_on", False))
    must = bool(getattr(user, "second_factor_mandated", False)) or is_on(cloud, "mandate.user.2fa")
    return on, must


def check_second_factor(cloud: Cloud, session: Session, command: str) -> None:
    """Refuse what a session may not do yet. A factor that is on is asked for whatever is set."""
    if session.verified:
        return
    on, must = second_factor(cloud, cloud.table("user").get(session.user_id))
    if on and command not in TO_GIVE:
        raise SecondFactorNeeded(
            "Two factor authentication is needed: send the code of your app by "
            "validateUserTwoFactorAuthenticationCode"
        )
    if must and not on and command not in TO_SET_UP:
        raise SecondFactorNeeded(
            "Two factor authentication is required here: set it up by "
            "setupUserTwoFactorAuthentication, and send a first code"
        )


def find_user(cloud: Cloud, username: str, domain_id: UUID | None) -> Any:
    """The user of this name in a domain, or None."""
    users = cloud.table("user")
    rows = users.by("name", username) if "name" in users.spec.indexed else users
    for user in rows:
        account = cloud.table("account").get(user.account_id)
        if user.name == username and account is not None and account.domain_id == domain_id:
            return user
    return None
