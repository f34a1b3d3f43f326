"""Signing in with a password, and out again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from api.authenticators import proven
from api.authz import LETTER
from api.declare import Cloud, Free, Length, View, Wire, command, view
from api.errors import LoginFailed, ParamError, WrongMethod
from api.identity import find_user, identify, idle_ms, second_factor, stamp_of
from api.sessions import Visitor
from projections.setting import value_of

# CloudStack's numbers for the types of accounts.
ACCOUNT_TYPE = {"U": "0", "A": "1", "D": "2", "R": "3"}


@view
class LoginView(View, kw_only=True):
    """Who signed in, and the key that every request of the session carries."""

    username: Annotated[str, "the user's name"]
    user_id: Annotated[UUID, "the user"]
    domain_id: Annotated[UUID, "the account's domain"]
    timeout: Annotated[int, "seconds without a request after which the session ends"]
    account: Annotated[str, "the account's name"]
    first_name: Annotated[str | None, "the user's first name"] = None
    last_name: Annotated[str | None, "the user's last name"] = None
    type: Annotated[str, "0 user, 1 root admin, 2 domain admin, 3 resource admin"]
    timezone: Annotated[str | None, "the user's time zone"] = None
    timezone_offset: Annotated[str | None, "how many hours that is ahead of UTC now"] = None
    registered: Annotated[str, "whether the user confirmed an invitation"]
    session_key: Annotated[str, "sent as parameter and as cookie with every request"]
    is_2fa_enabled: Annotated[str, "whether a second factor is asked for"]
    is_2fa_verified: Annotated[str, "whether it was given"]
    provider_for_2fa: Annotated[str | None, "which one, once it is set up"] = None
    issuer_for_2fa: Annotated[str | None, "the name under which an app keeps the secret"] = None


@view
class LogoutView(View, kw_only=True):
    """The end of a session."""

    description: Annotated[str, "success"]


@command("login", returns=LoginView, shape="flat", allow="ARDU", reads=True, public=True)
class Login:
    """Begin a session with a user's name and password. Must be sent by POST."""

    username: Annotated[str, "the user's name"]
    password: Annotated[str, "the user's password", Length(1024)]
    domain: Annotated[str | None, "path of the domain; the root domain if omitted"] = None
    domain_id: Annotated[
        str | None,
        "id of the domain; wins over the path",
        Free("answered as a wrong password"),
        Wire(type="long"),
    ] = None

    async def run(self, visitor: Visitor) -> LoginView:
        """Check the password even for a user that is not there, so both cost the same.

        After some wrong passwords even the right one is refused for a while, in the same words.
        """
        if visitor.method != "POST":
            raise WrongMethod("login must be sent by POST")
        cloud = visitor.engine.cloud
        user = find_user(cloud, self.username, self._domain(cloud))
        whom = ("password", self.username.casefold() if user is None else user.id)
        async with visitor.attempts.turn(whom):
            if not await visitor.attempts.may_try(whom, visitor.now_ms):
                raise LoginFailed
            good = await proven(visitor.engine, user, self.password)
            if good:
                await visitor.attempts.succeeded(whom)
            else:
                await visitor.attempts.failed(whom, visitor.now_ms)
        cloud = visitor.engine.cloud
        user = cloud.table("user").get(user.id) if user is not None else None
        who = identify(cloud, user.id) if user is not None else None
        if not good or user is None or who is None:
            raise LoginFailed
        on, must = second_factor(cloud, user)
        return LoginView(
            username=who.username,
            user_id=who.user_id,
            domain_id=who.domain_id,
            timeout=idle_ms(cloud) // 1000,
            account=who.account,
            first_name=getattr(user, "first_name", None),
            last_name=getattr(user, "last_name", None),
            type=ACCOUNT_TYPE[LETTER.get(who.role_type, "U")],
            timezone=getattr(user, "timezone", None),
            timezone_offset=_ahead(getattr(user, "timezone", ""), visitor.now_ms),
            registered="false",
            session_key=await visitor.enter(who.user_id, stamp_of(cloud, user)),
            is_2fa_enabled=_word(on or must),
            is_2fa_verified=_word(not (on or must)),
            provider_for_2fa="totp" if on else None,
            issuer_for_2fa=value_of(cloud, "user.2fa.issuer"),
        )

    def _domain(self, cloud: Cloud) -> UUID | None:
        """The domain meant by id or by path; clients write the path with or without slashes."""
        if self.domain_id:
            try:
                return UUID(self.domain_id)
            except ValueError:
                return None
        path = "/" + (self.domain or "").strip("/").lower()
        return next((d.id for d in cloud.table("domain") if d.path.lower() == path), None)


def _word(yes: bool) -> str:
    return "true" if yes else "false"


@command("logout", returns=LogoutView, shape="flat", allow="ARDU", reads=True, public=True)
class Logout:
    """End the session."""

    async def run(self, visitor: Visitor) -> LogoutView:
        """The cookies are cleared in any case."""
        if not await visitor.leave():
            raise ParamError("There is no session to end: sign in by login first")
        return LogoutView(description="success")


def _ahead(name: str, now_ms: int) -> str | None:
    """How many hours a time zone is ahead of UTC; None for none, or one that nobody knows."""
    try:
        there = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(name)) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones is none
        return None
    ahead = None if there is None else there.utcoffset()
    return None if ahead is None else str(ahead.total_seconds() / 3600)
