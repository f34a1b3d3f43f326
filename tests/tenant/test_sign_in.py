"""Sessions and second factors, as a browser meets them."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import UUID

import pytest
import requests

from api.attempts import MOST
from api.authenticators import AUTHENTICATORS
from api.totp import STEP_S, code_at
from engine.intents import SYSTEM
from engine.intents.record import UpdateRecord
from tests.tenant.test_refusals import refusal
from tests.tenant.world import Place, named


class Browser:
    """A session with its cookies. `ask` gives the status and what is under the envelope."""

    def __init__(self, here: Place) -> None:
        self.endpoint = here.admin.endpoint
        self.http = requests.Session()
        self.key = ""

    async def ask(self, command: str, **params: Any) -> tuple[int, Any]:
        body = {"command": command, "response": "json", "sessionkey": self.key, **params}
        answer = await asyncio.to_thread(self.http.post, self.endpoint, data=body)
        return answer.status_code, next(iter(answer.json().values()))

    async def login(self, password: str = "a password", username: str = "dan") -> Any:
        status, told = await self.ask("login", username=username, password=password, domain="/ann")
        if status == 200:
            self.key = told["sessionkey"]
        return status, told


@pytest.fixture
async def dan(here: Place) -> str:
    """The id of a user of ann's domain with a password."""
    made = await here.admin(
        "createAccount", username="dan", password="a password", email="d@example.org",
        firstname="d", lastname="d", domainid=str(named("domain ann")), accounttype=0,
    )  # fmt: skip
    return str(made["account"]["user"][0]["id"])


async def alive(browser: Browser) -> bool:
    status, _ = await browser.ask("listUsers")
    assert status in (200, 401)
    return status == 200


async def test_a_session_ends_on_the_server_at_logout(here: Place, dan: str) -> None:
    browser = Browser(here)
    assert (await browser.login())[0] == 200
    assert await alive(browser)
    kept = dict(browser.http.cookies)
    assert (await browser.ask("logout"))[0] == 200
    browser.http.cookies.update(kept)
    assert not await alive(browser), "the cookies alone bring no session back"


@pytest.mark.parametrize("how", ["user", "account", "password", "lock"])
async def test_a_session_ends_when_its_user_is_locked_out(here: Place, dan: str, how: str) -> None:
    browser, admin = Browser(here), here.admin
    await browser.login()
    account = (await admin.one("listUsers", "user", id=dan))["accountid"]
    if how == "user":
        await admin.job("disableUser", id=dan)
        await admin("enableUser", id=dan)
    elif how == "account":
        await admin.job("disableAccount", id=account, lock=False)
        await admin("enableAccount", id=account)
    elif how == "lock":
        await admin("lockUser", id=dan)
        await admin("enableUser", id=dan)
    else:
        await admin("updateUser", id=dan, password="another one")
    assert not await alive(browser)
    assert (await browser.login("another one" if how == "password" else "a password"))[0] == 200
    assert await alive(browser)


async def test_who_is_not_there_is_answered_as_a_wrong_password(here: Place, dan: str) -> None:
    wrong = await Browser(here).login("wrong")
    assert wrong[0] == 531
    assert await Browser(here).login("wrong", username="nobody") == wrong
    ask = {"username": "dan", "password": "a password"}
    assert await Browser(here).ask("login", **ask, domain="/nowhere") == wrong


async def test_guessing_a_password_is_stopped(here: Place, dan: str) -> None:
    browser = Browser(here)
    for _ in range(MOST):
        assert (await browser.login("wrong"))[0] == 531
    status, told = await browser.login()
    assert status == 531, "the right one comes too late"
    assert "Failed to authenticate" in told["errortext"]
    other = await here.admin(
        "createUser", account="dan", domainid=str(named("domain ann")), username="eve",
        password="a password", email="e@example.org", firstname="e", lastname="e",
    )  # fmt: skip
    assert other["user"]["username"] == "eve"
    assert (await browser.login(username="eve"))[0] == 200, "others are not stopped with it"


async def test_many_sign_in_at_a_moment_and_guesses_are_counted_one_by_one(
    here: Place, dan: str
) -> None:
    right = await asyncio.gather(*(Browser(here).login() for _ in range(2 * MOST)))
    assert {status for status, _ in right} == {200}
    guesses = (Browser(here).login(f"wrong {n}") for n in range(2 * MOST))
    await asyncio.gather(*guesses)
    assert (await Browser(here).login())[0] == 531


def code(secret: str, ahead: int = 0) -> str:
    return code_at(secret, int(time.time()) // STEP_S + ahead)


async def set_up(here: Place, browser: Browser) -> tuple[str, str]:
    """A second factor for dan, on from now on; gives its secret and the code that was used."""
    await here.admin("updateConfiguration", name="enable.user.2fa", value="true")
    await browser.login()
    status, told = await browser.ask("setupUserTwoFactorAuthentication", provider="totp")
    assert status == 200, told
    secret: str = told["setup2fa"]["secretcode"]
    used = code(secret, -1)
    status, told = await browser.ask("validateUserTwoFactorAuthenticationCode", codefor2fa=used)
    assert status == 200, told
    assert await alive(browser)
    return secret, used


async def test_a_second_factor_is_asked_for_and_each_code_counts_once(
    here: Place, dan: str
) -> None:
    browser = Browser(here)
    secret, used = await set_up(here, browser)
    again = Browser(here)
    status, told = await again.login()
    assert (status, told["is2faenabled"], told["is2faverified"]) == (200, "true", "false")
    assert (told["providerfor2fa"], told["issuerfor2fa"]) == ("totp", "Sagastack")
    for command in (
        "listUsers",
        "listApis",
        "registerUserKeys",
        "setupUserTwoFactorAuthentication",
    ):
        assert (await again.ask(command, id=dan, enable="false"))[0] == 511, command
    validate = "validateUserTwoFactorAuthenticationCode"
    assert (await again.ask(validate, codefor2fa=used))[0] == 531, "used already"
    fresh = code(secret)
    assert (await again.ask(validate, codefor2fa=fresh))[0] == 200
    assert await alive(again)
    third = Browser(here)
    await third.login()
    assert (await third.ask(validate, codefor2fa=fresh))[0] == 531, "used in another session"
    log = b"".join(here.controller.cloud.encode().values())
    assert secret.encode() not in log


async def test_guessing_a_code_is_stopped(here: Place, dan: str) -> None:
    secret, _ = await set_up(here, Browser(here))
    browser = Browser(here)
    validate = "validateUserTwoFactorAuthenticationCode"
    for _ in range(MOST):
        status, _ = await browser.login()
        assert status == 200
        assert (await browser.ask(validate, codefor2fa="000000"))[0] == 531
    assert (await browser.ask("listUsers"))[0] == 401, "the session has ended"
    await browser.login()
    status, told = await browser.ask(validate, codefor2fa=code(secret, 1))
    assert status == 531 and "too many" in told["errortext"]


async def test_who_must_have_a_second_factor_can_only_set_one_up(here: Place, dan: str) -> None:
    await here.admin("updateUser", id=dan, mandate2fa=True)
    browser = Browser(here)
    _, told = await browser.login()
    assert (told["is2faenabled"], told["is2faverified"]) == ("true", "false")
    assert (await browser.ask("listUsers"))[0] == 511
    _, made = await browser.ask("setupUserTwoFactorAuthentication", provider="totp")
    assert (await browser.ask("listUsers"))[0] == 511, "a secret is not yet a factor"
    given = code(made["setup2fa"]["secretcode"])
    await browser.ask("validateUserTwoFactorAuthenticationCode", codefor2fa=given)
    assert await alive(browser)
    status, told = await browser.ask("setupUserTwoFactorAuthentication", enable="false")
    assert status == 531 and "mandatory" in told["errortext"]
    await here.admin("setupUserTwoFactorAuthentication", enable=False, userid=dan)
    assert (await here.admin.one("listUsers", "user", id=dan))["is2faenabled"] is False
    assert (await browser.ask("updateUser", id=dan, mandate2fa="false"))[0] in (511, 531)


async def test_a_key_does_not_turn_the_factor_off(here: Place, dan: str) -> None:
    browser = Browser(here)
    await set_up(here, browser)
    _, made = await browser.ask("registerUserKeys", id=dan)
    keys = made["userkeys"]
    signs = type(here.ann)(here.admin.endpoint, keys["apikey"], keys["secretkey"])
    told = await refusal(signs, "setupUserTwoFactorAuthentication", enable=False)
    assert "session that gave its code" in told["errortext"]
    status, _ = await browser.ask("setupUserTwoFactorAuthentication", enable="false")
    assert status == 200
    assert (await Browser(here).login())[1]["is2faenabled"] == "false"


async def test_another_users_factor_is_not_a_tenants_to_touch(here: Place, dan: str) -> None:
    told = await refusal(here.bob, "setupUserTwoFactorAuthentication", enable=False, userid=dan)
    assert told["errorcode"] == 431
    told = await refusal(here.ann, "setupUserTwoFactorAuthentication", enable=False, userid=dan)
    assert told["errorcode"] == 431


async def test_of_two_that_send_one_code_at_a_moment_one_gets_in(here: Place, dan: str) -> None:
    secret, _ = await set_up(here, Browser(here))
    browsers = [Browser(here) for _ in range(6)]
    for browser in browsers:
        await browser.login()
    given = code(secret, 1)
    validate = "validateUserTwoFactorAuthenticationCode"
    told = await asyncio.gather(*(one.ask(validate, codefor2fa=given) for one in browsers[:4]))
    assert sorted(status for status, _ in told)[:1] == [200]
    assert [status for status, _ in told].count(200) == 1
    assert sum([await open_to(one) for one in browsers]) == 1


async def open_to(browser: Browser) -> bool:
    """Has this session given its second factor?"""
    return (await browser.ask("listUsers"))[0] == 200


class Directory:
    """Stands for a directory that knows one password."""

    async def proves(self, engine: Any, user: Any, password: str) -> bool:
        return bool(password == "of the directory")


async def test_another_authenticator_is_asked_for_its_users(
    here: Place, dan: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = UpdateRecord(kind="user", id=UUID(dan), fields={"source": "directory"})
    await here.controller.engine.decide(moved, SYSTEM)
    browser = Browser(here)
    assert (await browser.login())[0] == 531, "nobody serves that source: closed"
    monkeypatch.setitem(AUTHENTICATORS, "directory", Directory())
    assert (await browser.login())[0] == 531, "its old password is none any more"
    assert (await browser.login("of the directory"))[0] == 200
    assert (await here.admin.one("listUsers", "user", id=dan))["usersource"] == "directory"


async def test_the_stream_of_events_waits_for_the_second_factor_too(here: Place, dan: str) -> None:
    await set_up(here, Browser(here))
    browser = Browser(here)
    await browser.login()
    url = browser.endpoint.replace("/client/api", "/events")
    answer = await asyncio.to_thread(
        browser.http.get, url, params={"sessionkey": browser.key}, timeout=60, stream=True
    )
    assert answer.status_code in (401, 511)


async def test_a_time_zone_is_told_with_its_distance(here: Place, dan: str) -> None:
    for zone, hours in (("Asia/Tokyo", "9.0"), ("UTC", "0.0"), ("", None)):
        await here.admin("updateUser", id=dan, timezone=zone)
        status, found = await Browser(here).login()
        assert (status, found.get("timezoneoffset")) == (200, hours)
