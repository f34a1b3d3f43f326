"""Roles over the wire: imported, disabled, given another type, and never a way up."""

from __future__ import annotations

from typing import Any

import pytest
from cs import CloudStackException

from engine.genesis import stable_id
from tests.catalogue.server import Api
from tests.catalogue.test_identity import _account, _domain


def rules(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"rule": rule, "permission": permission} for rule, permission in pairs]


async def imported(api: Api, name: str, kind: str, *pairs: tuple[str, str], **more: Any) -> Any:
    return (await api("importRole", name=name, type=kind, rules=rules(*pairs), **more))["role"]


async def test_a_role_is_imported_whole_and_overwritten_by_force(api: Api) -> None:
    role = await imported(api, "ops", "User", ("listUsers", "deny"), ("list*", "allow"))
    _, ops = await _account(api, "o", roleid=role["id"])
    await ops("listZones")
    with pytest.raises(CloudStackException, match="not available"):
        await ops("listUsers")
    with pytest.raises(CloudStackException, match="already exists"):
        await imported(api, "ops", "User", ("*", "allow"))
    again = await imported(api, "ops", "User", ("listUsers", "allow"), forced=True)
    assert again["id"] == role["id"]
    await ops("listUsers")
    with pytest.raises(CloudStackException, match="not available"):
        await ops("listZones")
    with pytest.raises(CloudStackException, match="came with the cloud"):
        await imported(api, "User", "User", ("*", "allow"), forced=True)


async def test_who_has_a_disabled_role_does_nothing(api: Api) -> None:
    role = await imported(api, "ops", "User", ("*", "allow"))
    _, ops = await _account(api, "o", roleid=role["id"])
    await ops("listZones")
    await api("disableRole", id=role["id"])
    with pytest.raises(CloudStackException, match="not available"):
        await ops("listZones")
    assert (await api("listRoles", id=role["id"]))["role"][0]["state"] == "disabled"
    with pytest.raises(CloudStackException, match="is disabled"):
        await _account(api, "p", roleid=role["id"])
    await api("enableRole", id=role["id"])
    await ops("listZones")
    with pytest.raises(CloudStackException, match="nobody disables the role that they have"):
        await api("disableRole", id=str(stable_id("role", "Root Admin")))


async def test_the_type_of_a_role_that_somebody_has_stays(api: Api) -> None:
    role = await imported(api, "ops", "User", ("list*", "allow"))
    assert (await api("updateRole", id=role["id"], type="DomainAdmin"))["role"]["type"] == (
        "DomainAdmin"
    )
    await _account(api, "o", roleid=role["id"])
    with pytest.raises(CloudStackException, match="its type stays"):
        await api("updateRole", id=role["id"], type="Admin")


async def test_a_lesser_administrator_makes_no_greater_role(api: Api) -> None:
    """Every door to a wider role, tried by an administrator who may do all but make zones."""
    lesser = await imported(api, "lesser", "Admin", ("createZone", "deny"), ("*", "allow"))
    account, who = await _account(api, "l", roleid=lesser["id"])
    narrow = await imported(api, "narrow", "Admin", ("listZones", "allow"))
    user, root = account["user"][0]["id"], str(stable_id("role", "Root Admin"))
    person = {"email": "e", "firstname": "f", "lastname": "l", "password": "p"}
    tries: list[tuple[str, dict[str, Any]]] = [
        ("createRole", {"name": "x", "roleid": root}),
        ("importRole", {"name": "x", "type": "Admin", "rules": rules(("*", "allow"))}),
        ("importRole", {"name": "narrow", "forced": True, "rules": rules(("createZ*", "allow"))}),
        (
            "createRolePermission",
            {"roleid": narrow["id"], "rule": "createZone", "permission": "allow"},
        ),
        ("createAccount", {"username": "x", "accounttype": 1, **person}),
        ("createAccount", {"username": "x", "roleid": root, **person}),
        ("updateAccount", {"id": account["id"], "roleid": root}),
        ("createUser", {"username": "x", "account": "admin", **person}),
        ("registerUserKeys", {"id": str(stable_id("user", "admin"))}),
        ("getUserKeys", {"id": str(stable_id("user", "admin"))}),
        ("createUserKey", {"name": "x", "userid": str(stable_id("user", "admin"))}),
        ("updateUser", {"id": str(stable_id("user", "admin")), "password": "p"}),
        ("moveUser", {"id": user, "account": "admin"}),
        (
            "setupUserTwoFactorAuthentication",
            {"enable": False, "userid": str(stable_id("user", "admin"))},
        ),
    ]
    for command, params in tries:
        with pytest.raises(CloudStackException, match=r"may not|no other role") as told:
            await who(command, **params)
        assert told.value.error["errorcode"] == 531, (command, told.value.error)
    empty = (await who("createRole", name="x", type="Admin"))["role"]
    _, nobody = await _account(who, "n", roleid=empty["id"])
    with pytest.raises(CloudStackException, match="not available"):
        await nobody("listZones")


async def test_a_domain_administrator_stays_below(api: Api) -> None:
    top = await _domain(api, "a")
    beside = await _domain(api, "b")
    admin_role = str(stable_id("role", "Domain Admin"))
    _, boss = await _account(api, "boss", domainid=top["id"], roleid=admin_role)
    person = {"email": "e", "firstname": "f", "lastname": "l", "password": "p"}
    for params in ({"accounttype": 1}, {"roleid": str(stable_id("role", "Root Admin"))}):
        with pytest.raises(CloudStackException, match="may not act for"):
            await boss("createAccount", username="x", **params, **person)
    for command, more in (
        ("createAccount", {"username": "x", "accounttype": 0, "domainid": beside["id"], **person}),
        ("createDomain", {"name": "x", "parentdomainid": beside["id"]}),
        ("deleteDomain", {"id": beside["id"]}),
    ):
        with pytest.raises(CloudStackException, match="does not exist"):
            await boss(command, **more)
    for command in ("moveDomain", "moveUser", "createRole", "importRole", "updateDomain"):
        with pytest.raises(CloudStackException, match="not available"):
            await boss(command, id=top["id"])


async def test_a_moved_domain_has_other_governors(api: Api) -> None:
    left, right = await _domain(api, "left"), await _domain(api, "right")
    child = await _domain(api, "child", parentdomainid=left["id"])
    below = await _domain(api, "below", parentdomainid=child["id"])
    role = str(stable_id("role", "Domain Admin"))
    _, of_left = await _account(api, "l", domainid=left["id"], roleid=role)
    _, of_right = await _account(api, "r", domainid=right["id"], roleid=role)
    account, _ = await _account(api, "c", domainid=below["id"])
    assert (await of_left("listAccounts", id=account["id"]))["count"] == 1
    moved = (await api("moveDomain", domainid=child["id"], parentdomainid=right["id"]))["domain"]
    assert (moved["path"], moved["level"]) == ("ROOT/right/child", 2)
    there = (await api("listDomains", id=below["id"]))["domain"][0]
    assert (there["path"], there["level"]) == ("ROOT/right/child/below", 3)
    assert (await of_right("listAccounts", id=account["id"]))["count"] == 1
    with pytest.raises(CloudStackException, match="does not exist"):
        await of_left("listAccounts", id=account["id"])
    with pytest.raises(CloudStackException, match="or below it"):
        await api("moveDomain", domainid=right["id"], parentdomainid=below["id"])
    await _domain(api, "child", parentdomainid=left["id"])
    with pytest.raises(CloudStackException, match="already exists"):
        await api("moveDomain", domainid=child["id"], parentdomainid=left["id"])


async def test_a_moved_user_acts_for_another_account(api: Api) -> None:
    first, user = await _account(api, "first")
    second, _ = await _account(api, "second")
    await api("moveUser", id=first["user"][0]["id"], account="second")
    told = (await user("listUsers", username="first"))["user"][0]
    assert told["accountid"] == second["id"]
    away = await _domain(api, "away")
    third, _ = await _account(api, "third", domainid=away["id"])
    with pytest.raises(CloudStackException, match="in another domain"):
        await api("moveUser", id=first["user"][0]["id"], accountid=third["id"])
