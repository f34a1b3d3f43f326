"""Several keys of one user: each may do what it was made for, for as long as it was made for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.tenant.test_refusals import gone, refusal
from tests.tenant.world import Client, Place, named

READER = [
    {"rule": "list*", "permission": "allow"},
    {"rule": "createUserKey", "permission": "allow"},
]


async def made(here: Place, who: Client, **params: Any) -> tuple[Client, Any]:
    key = (await who("createUserKey", **params))["userkey"]
    return Client(here.admin.endpoint, key["apikey"], key["secretkey"]), key


def at(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


async def test_a_key_may_do_what_it_was_made_for(here: Place) -> None:
    reader, key = await made(here, here.ann, name="reader", rules=READER)
    assert (await reader.one("listUsers", "user"))["username"] == "ann"
    told = await refusal(reader, "createSSHKeyPair", name="k")
    assert told["errorcode"] == 432
    assert (await here.ann.one("listUsers", "user"))["username"] == "ann", "the first still signs"
    listed = (await here.ann("listUserKeys"))["userkey"]
    assert {one.get("name") for one in listed} >= {"reader"}
    assert all("secretkey" not in one for one in listed)
    await here.ann("deleteUserKey", id=key["id"])
    assert (await refusal(reader, "listUsers"))["errorcode"] == 401


async def test_a_narrow_key_makes_nothing_wider(here: Place) -> None:
    reader, _ = await made(here, here.ann, name="reader", rules=[*READER, allow("*Keys")])
    user = str(named("user ann"))
    for command, params in (
        ("createUserKey", {"name": "wide"}),
        ("createUserKey", {"name": "wide", "rules": [allow("*")]}),
        ("createUserKey", {"name": "other", "rules": [allow("deployVirtualMachine")]}),
        ("registerUserKeys", {"id": user}),
        ("getUserKeys", {"id": user}),
    ):
        told = await refusal(reader, command, **params)
        assert told["errorcode"] == 531, (command, told)
    narrower, _ = await made(here, reader, name="narrower", rules=[allow("listZones")])
    assert (await narrower("listZones"))["count"] == 1
    assert (await refusal(narrower, "listUsers"))["errorcode"] == 432


def allow(rule: str) -> dict[str, str]:
    return {"rule": rule, "permission": "allow"}


async def test_a_key_ends(here: Place) -> None:
    short, _ = await made(here, here.ann, name="short", expires=at(4.0))
    assert (await short.one("listUsers", "user"))["username"] == "ann"
    for command, params in (
        ("createUserKey", {"name": "longer"}),
        ("createUserKey", {"name": "longer", "expires": at(3600)}),
        ("registerUserKeys", {"id": str(named("user ann"))}),
    ):
        told = await refusal(short, command, **params)
        assert told["errorcode"] == 531, (command, told)
    await asyncio.sleep(4.1)
    assert (await refusal(short, "listUsers"))["errorcode"] == 401
    told = await refusal(here.ann, "createUserKey", name="late", expires="2020-01-01")
    assert "in the past" in told["errortext"]


async def test_the_main_key_is_replaced_alone(here: Place) -> None:
    extra, _ = await made(here, here.ann, name="extra")
    user = str(named("user ann"))
    keys = (await here.ann("registerUserKeys", id=user))["userkeys"]
    assert (await refusal(here.ann, "listUsers"))["errorcode"] == 401
    new = Client(here.admin.endpoint, keys["apikey"], keys["secretkey"])
    assert (await new("getUserKeys", id=user))["userkeys"] == keys
    assert (await extra.one("listUsers", "user"))["apikey"] == keys["apikey"]


async def test_anothers_keys_do_not_exist(here: Place) -> None:
    _, key = await made(here, here.ann, name="extra")
    assert gone(await refusal(here.bob, "deleteUserKey", id=key["id"]), "id", key["id"])
    assert await here.bob("listUserKeys", id=key["id"]) == {}
    ann = str(named("user ann"))
    assert gone(await refusal(here.bob, "listUserKeys", userid=ann), "userid", ann)
    assert gone(await refusal(here.bob, "createUserKey", name="x", userid=ann), "userid", ann)


async def test_keys_may_be_forbidden(here: Place) -> None:
    user, account = str(named("user ann")), here.account("ann")
    await here.admin("updateUser", id=user, apikeyaccess="Disabled")
    assert (await refusal(here.ann, "listUsers"))["errorcode"] == 401
    await here.admin("updateUser", id=user, apikeyaccess="Inherit")
    assert (await here.ann.one("listUsers", "user"))["apikeyaccess"] == "Inherit"
    await here.admin("updateAccount", id=account, apikeyaccess="Disabled")
    assert (await refusal(here.ann, "listUsers"))["errorcode"] == 401


async def test_a_repeated_request_of_another_is_not_answered_with_its_secret(here: Place) -> None:
    """Neither another user of the account nor a narrow key hears again what was told once."""
    again = {"name": "again", "idempotencykey": "1"}
    first = (await here.ann("createUserKey", **again))["userkey"]
    assert (await here.ann("createUserKey", **again))["userkey"] == first
    narrow, _ = await made(here, here.ann, name="narrow", rules=[allow("createUserKey")])
    assert first["secretkey"] not in str(await refusal(narrow, "createUserKey", **again))
    amy = await here.admin(
        "createUser", account="ann", domainid=str(named("domain ann")), username="amy",
        password="a password", email="a@example.org", firstname="a", lastname="a",
    )  # fmt: skip
    keys = (await here.admin("registerUserKeys", id=amy["user"]["id"]))["userkeys"]
    signs = Client(here.admin.endpoint, keys["apikey"], keys["secretkey"])
    told = await refusal(signs, "createUserKey", **again)
    assert first["secretkey"] not in str(told)
