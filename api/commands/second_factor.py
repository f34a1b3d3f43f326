"""Commands about a second factor: codes of an authenticator app, by the clock."""

from __future__ import annotations

import secrets
from typing import Annotated
from uuid import UUID

from api.caller import Caller
from api.commands.identity_checks import user_of
from api.declare import Names, OneOf, Page, Success, command
from api.errors import Denied, InvalidValue
from api.identity import second_factor
from api.totp import SECRET_BYTES, counter_of, secret_text
from api.views.second_factor import SecondFactorProviderView, SecondFactorView
from engine.intents.user import ChangeUser, UseCode
from projections.setting import is_on
from projections.user import User, users

PROVIDERS = {"totp": "codes of an authenticator app, a new one every 30 seconds (RFC 6238)"}
# A code that is wrong and a secret that is not there are told alike.
WRONG = "the code is not the one that your app shows now: send the next one"


@command(
    "listUserTwoFactorAuthenticatorProviders",
    returns=SecondFactorProviderView,
    key="providers",
    shape="list",
    allow="ARDU",
    since="4.18.0",
)
class ListProviders:
    """List the kinds of second factors that there are."""

    name: Annotated[str | None, "the one of this name"] = None

    async def run(self, caller: Caller) -> Page:
        found = [
            SecondFactorProviderView(name=name, description=text)
            for name, text in PROVIDERS.items()
            if self.name is None or name == self.name.lower()
        ]
        return Page(len(found), found)


@command(
    "setupUserTwoFactorAuthentication",
    returns=SecondFactorView,
    key="setup2fa",
    allow="ARDU",
    action="USER.2FA.SETUP",
    since="4.18.0",
)
class SetupSecondFactor:
    """Give the caller a new secret, which counts from its first code on; or turn the factor off."""

    enable: Annotated[bool | None, "false turns it off"] = None
    provider: Annotated[str | None, "totp", OneOf("totp", "google")] = None
    user_id: Annotated[
        UUID | None, "another user, whose factor is turned off", Names("user", right="operate")
    ] = None

    async def run(self, caller: Caller) -> SecondFactorView:
        user = user_of(caller, self.user_id or caller.user_id)
        if self.enable is False:
            return await self._turn_off(caller, user)
        if user.id != caller.user_id:
            raise Denied("a secret is for its user alone: only turn the factor of others off")
        if not (is_on(caller.cloud, "enable.user.2fa") or second_factor(caller.cloud, user)[1]):
            raise Denied("the setting enable.user.2fa is off: ask an administrator")
        if user.second_factor_on:
            raise InvalidValue("the second factor is on already: turn it off before another")
        secret = secret_text(secrets.token_bytes(SECRET_BYTES))
        fields = {"second_factor_ref": await caller.seal(secret), "second_factor_counter": 0}
        await caller.submit(ChangeUser(user_id=user.id, fields=fields))
        return _shown(user, secret)

    async def _turn_off(self, caller: Caller, user: User) -> SecondFactorView:
        """By an administrator, or by the user in a session in which a code was given."""
        session = caller.door.session if caller.door is not None else None
        if user.id == caller.user_id:
            if user.second_factor_on and (session is None or not session.verified):
                raise Denied("a second factor is turned off in a session that gave its code")
            if second_factor(caller.cloud, user)[1]:
                raise Denied("the second factor is mandatory for this user: ask an administrator")
        elif caller.role_type == "User":
            raise Denied("the second factor of others is an administrator's to turn off")
        fields = {"second_factor_ref": "", "second_factor_on": False, "second_factor_counter": 0}
        await caller.submit(ChangeUser(user_id=user.id, fields=fields))
        return _shown(user, None)


@command(
    "validateUserTwoFactorAuthenticationCode",
    returns=Success,
    allow="ARDU",
    action="USER.2FA.VALIDATE",
    since="4.18.0",
)
class ValidateCode:
    """Give the code of the second factor, for this session."""

    code_for_2fa: Annotated[str, "what the app shows"]

    async def run(self, caller: Caller) -> None:
        """After some wrong codes even a right one is refused for a while, and the session ends."""
        user, door = caller.cloud[users][caller.user_id], caller.door
        assert door is not None, "every request comes by a door"
        whom = ("second factor", user.id)
        async with door.attempts.turn(whom):
            if not await door.attempts.may_try(whom, caller.now_ms):
                raise Denied("too many wrong codes: wait a few minutes, then sign in again")
            counter = await self._counter(caller, user)
            if counter is None or counter <= caller.cloud[users][user.id].second_factor_counter:
                last = await door.attempts.failed(whom, caller.now_ms)
                if last and door.session is not None:
                    await door.sessions.revoke(door.session)
                raise Denied(WRONG)
            ask = UseCode(user_id=user.id, ref=user.second_factor_ref, counter=counter)
            await caller.decide(ask)
            await door.attempts.succeeded(whom)
        if door.session is not None:
            await door.sessions.verify(door.session)

    async def _counter(self, caller: Caller, user: User) -> int | None:
        if not user.second_factor_ref:
            return None
        try:
            secret = await caller.secret(user.second_factor_ref)
        except KeyError:  # shredded: nothing proves anything any more
            return None
        return counter_of(secret, self.code_for_2fa.strip(), caller.now_ms)


def _shown(user: User, secret: str | None) -> SecondFactorView:
    return SecondFactorView(
        id=user.id, username=user.name, account_id=user.account_id, secret_code=secret
    )
