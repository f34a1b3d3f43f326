"""Domains, accounts, users, roles and keys: who may enter, and who may act for whom."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import serialization
from cs import CloudStackException

from engine.genesis import (
    ADMIN_ACCOUNT,
    ADMIN_USER,
    FIRST_PASSWORD,
    FIRST_PASSWORD_HASH,
    ROOT_DOMAIN,
    first_credentials,
    stable_id,
)
from tests.catalogue.controller import Controller
from tests.catalogue.server import Api

PERSON: dict[str, Any] = {
    "email": "a@example.org",
    "firstname": "A",
    "lastname": "B",
    "password": "correct horse battery",
}


async def _account(api: Api, name: str, kind: int = 0, **more: Any) -> tuple[dict[str, Any], Api]:
    """An account, and a client that signs as its user."""
    asked = {"username": name, "accounttype": kind} | PERSON | more
    account = (await api("createAccount", **asked))["account"]
    keys = (await api("registerUserKeys", id=account["user"][0]["id"]))["userkeys"]
    return account, Api(api.endpoint, keys["apikey"], keys["secretkey"])


async def _domain(api: Api, name: str, **more: Any) -> dict[str, Any]:
    return dict((await api("createDomain", name=name, **more))["domain"])


async def test_a_tenant_sees_itself_and_no_more(api: Api) -> None:
    _, tenant = await _account(api, "t")
    assert [one["name"] for one in (await tenant("listAccounts", listall=True))["account"]] == ["t"]
    assert [one["username"] for one in (await tenant("listUsers"))["user"]] == ["t"]
    for command, key in (("listUsers", "user"), ("listAccounts", "account")):
        found = await api(command, listall=True)
        assert len(found[key]) == 2


async def test_a_tenant_may_not_administer(api: Api) -> None:
    _, tenant = await _account(api, "t")
    with pytest.raises(CloudStackException, match="does not exist or is not available"):
        await tenant("createAccount", username="u", accounttype=0, **PERSON)
    with pytest.raises(CloudStackException, match="entity does not exist"):
        await tenant("getUserKeys", id=str(ADMIN_USER))


async def test_a_domain_admin_cannot_become_root(api: Api) -> None:
    """One in the root domain governs the admin's account, and still may not act for it."""
    _, chief = await _account(api, "chief", kind=2)
    for command, params in (
        ("getUserKeys", {"id": str(ADMIN_USER)}),
        ("registerUserKeys", {"id": str(ADMIN_USER)}),
        ("updateUser", {"id": str(ADMIN_USER), "password": "mine now"}),
        ("createAccount", {"username": "root2", "accounttype": 1} | PERSON),
        ("updateAccount", {"id": str(ADMIN_ACCOUNT), "newname": "x"}),
        ("createUser", {"username": "r", "account": "admin"} | PERSON),
    ):
        with pytest.raises(CloudStackException, match="may not act for"):
            await chief(command, **params)


async def test_a_domain_admin_governs_its_own_tree_alone(api: Api) -> None:
    mine, other = await _domain(api, "mine"), await _domain(api, "other")
    below = await _domain(api, "below", parentdomainid=mine["id"])
    assert below["path"] == "ROOT/mine/below"
    _, chief = await _account(api, "chief", kind=2, domainid=mine["id"])
    await _account(chief, "worker", domainid=below["id"])
    found = await chief("listAccounts", listall=True)
    assert {one["name"] for one in found["account"]} == {"chief", "worker"}
    found = await chief("listDomains", listall=True)
    assert {one["name"] for one in found["domain"]} == {"mine", "below"}
    with pytest.raises(CloudStackException, match="entity does not exist"):
        await chief("createAccount", username="w", accounttype=0, domainid=other["id"], **PERSON)


async def test_renaming_a_domain_moves_all_below(api: Api) -> None:
    top = await _domain(api, "a")
    middle = await _domain(api, "b", parentdomainid=top["id"])
    await _domain(api, "c", parentdomainid=middle["id"])
    await api("updateDomain", id=top["id"], name="z")
    found = await api("listDomainChildren", id=top["id"], isrecursive=True)
    assert [one["path"] for one in found["domain"]] == ["ROOT/z/b", "ROOT/z/b/c"]


async def test_a_domain_goes_only_when_it_is_empty_or_swept(api: Api) -> None:
    top = await _domain(api, "a")
    await _domain(api, "b", parentdomainid=top["id"])
    await _account(api, "t", domainid=top["id"])
    with pytest.raises(CloudStackException, match="cleanup=true"):
        await api("deleteDomain", id=top["id"])
    await api.job("deleteDomain", id=top["id"], cleanup=True)
    assert [one["name"] for one in (await api("listDomains"))["domain"]] == ["ROOT"]
    with pytest.raises(CloudStackException, match="root domain"):
        await api("deleteDomain", id=str(ROOT_DOMAIN), cleanup=True)


async def test_an_account_goes_with_its_template(api: Api) -> None:
    account, tenant = await _account(api, "t")
    made = await tenant(
        "registerTemplate", name="s", url="sim://s", hypervisor="Simulator", format="QCOW2"
    )
    await api.job("deleteAccount", id=account["id"])
    with pytest.raises(CloudStackException, match="does not exist"):
        await api("listTemplates", templatefilter="all", id=made["template"][0]["id"])
    with pytest.raises(CloudStackException, match="unable to verify"):
        await tenant("listUsers")


async def test_a_disabled_account_is_locked_out_at_once(api: Api) -> None:
    account, tenant = await _account(api, "t")
    done = await api.job("disableAccount", id=account["id"], lock=False)
    assert done["account"]["state"] == "disabled"
    with pytest.raises(CloudStackException, match="unable to verify"):
        await tenant("listUsers")
    await api("enableAccount", id=account["id"])
    assert (await tenant("listUsers"))["count"] == 1


async def test_nobody_is_locked_out_of_the_cloud(api: Api) -> None:
    for command, params in (
        ("disableUser", {"id": str(ADMIN_USER)}),
        ("deleteUser", {"id": str(ADMIN_USER)}),
        ("deleteAccount", {"id": str(ADMIN_ACCOUNT)}),
        ("disableAccount", {"id": str(ADMIN_ACCOUNT), "lock": True}),
    ):
        with pytest.raises(CloudStackException, match="came with the cloud"):
            await api(command, **params)


async def test_new_keys_replace_old_ones(api: Api, controller: Controller) -> None:
    account, old = await _account(api, "t")
    keys = (await api("registerUserKeys", id=account["user"][0]["id"]))["userkeys"]
    new = Api(api.endpoint, keys["apikey"], keys["secretkey"])
    assert (await new("getUserKeys", id=account["user"][0]["id"]))["userkeys"] == keys
    with pytest.raises(CloudStackException, match="unable to verify"):
        await old("listUsers")


async def test_a_changed_password_is_the_only_one(api: Api, controller: Controller) -> None:
    """The first password, which was kept readable, is shredded with its hash."""
    await api("updateUser", id=str(ADMIN_USER), password="a new one")
    vault = controller.vault
    assert not await vault.check_password(FIRST_PASSWORD_HASH, "a new one")
    with pytest.raises(KeyError):
        for _ in range(3000):
            await vault.get(FIRST_PASSWORD)
            await asyncio.sleep(0.02)
    found = await first_credentials(controller.engine.cloud, vault)
    assert found is not None and found.password == ""


async def test_a_tenant_proves_itself_to_change_its_password(api: Api) -> None:
    account, tenant = await _account(api, "t")
    user_id = account["user"][0]["id"]
    with pytest.raises(CloudStackException, match="currentpassword"):
        await tenant("updateUser", id=user_id, password="new", currentpassword="guess")
    current = PERSON["password"]
    await tenant("updateUser", id=user_id, password="new", currentpassword=current)


async def test_no_secret_is_in_the_log(api: Api, controller: Controller) -> None:
    await _account(api, "t", password="canary-in-the-mine")
    found = (await api("listUsers", listall=True, username="t"))["user"][0]
    keys = (await api("getUserKeys", id=found["id"]))["userkeys"]
    await api("updateUser", id=found["id"], password="canary-number-two")
    pair = (await api("createSSHKeyPair", name="k"))["keypair"]
    raw = b"".join(row.state for row in await controller.log.read_stored())
    body = pair["privatekey"].splitlines()[2].encode()
    for secret in (b"canary", keys["secretkey"].encode(), body, b"PRIVATE KEY"):
        assert secret not in raw
    assert keys["apikey"].encode() in raw


async def test_a_narrow_role_may_do_what_its_rules_say(api: Api) -> None:
    role = (await api("createRole", name="looker", type="User"))["role"]
    for rule, permission in (("listUsers", "deny"), ("list*", "allow")):
        await api("createRolePermission", roleid=role["id"], rule=rule, permission=permission)
    _, looker = await _account(api, "l", roleid=role["id"])
    await looker("listAccounts")
    with pytest.raises(CloudStackException, match="does not exist or is not available"):
        await looker("listUsers")
    rules = (await api("listRolePermissions", roleid=role["id"]))["rolepermission"]
    order = ",".join(one["id"] for one in reversed(rules))
    await api("updateRolePermission", roleid=role["id"], ruleorder=order)
    await looker("listUsers")
    with pytest.raises(CloudStackException, match="in use"):
        await api("deleteRole", id=role["id"])
    with pytest.raises(CloudStackException, match="came with the cloud"):
        await api("deleteRole", id=str(stable_id("role", "User")))


async def _with_rules(api: Api, name: str, kind: str, *rules: tuple[str, str]) -> Any:
    """A role of a type with these rules."""
    role = (await api("createRole", name=name, type=kind))["role"]
    for rule, permission in rules:
        await api("createRolePermission", roleid=role["id"], rule=rule, permission=permission)
    return role


READ_ONLY = (("getUserKeys", "allow"), ("list*", "allow"), ("updateRolePermission", "allow"))


async def test_a_read_only_administrator_sees_all_and_changes_nothing(api: Api) -> None:
    role = await _with_rules(api, "auditor", "Admin", *READ_ONLY)
    _, auditor = await _account(api, "a", roleid=role["id"])
    everybody = await auditor("listUsers", listall=True)
    assert everybody["count"] == 2
    known = {one["name"] for one in (await auditor("listApis"))["api"]}
    assert "listHosts" in known and "createZone" not in known
    for command in ("createZone", "createDomain", "addHost"):
        with pytest.raises(CloudStackException, match="does not exist or is not available"):
            await auditor(command)


async def test_who_may_do_less_cannot_become_who_may_do_more(api: Api) -> None:
    """Reading keys, or the rules of its own role, must not be a way up."""
    role = await _with_rules(api, "auditor", "Admin", *READ_ONLY, ("createZone", "deny"))
    account, auditor = await _account(api, "a", roleid=role["id"])
    with pytest.raises(CloudStackException, match="may not call"):
        await auditor("getUserKeys", id=str(ADMIN_USER))
    own = await auditor("getUserKeys", id=account["user"][0]["id"])
    assert own["userkeys"]["apikey"]
    rules = (await api("listRolePermissions", roleid=role["id"]))["rolepermission"]
    (denied,) = (one for one in rules if one["rule"] == "createZone")
    allow = {"roleid": role["id"], "ruleid": denied["id"], "permission": "allow"}
    with pytest.raises(CloudStackException, match="may not call createZone"):
        await auditor("updateRolePermission", **allow)


async def test_rules_add_nothing_to_a_type(api: Api) -> None:
    """What lists are for administrators stays theirs, whatever pattern a user's role has."""
    role = await _with_rules(api, "everything", "User", ("*", "allow"))
    _, user = await _account(api, "u", roleid=role["id"])
    await user("listZones")
    for command in ("listCapacity", "createZone"):
        with pytest.raises(CloudStackException, match="does not exist or is not available"):
            await user(command)


async def test_the_last_administrator_stays_one(api: Api) -> None:
    with pytest.raises(CloudStackException, match="gives itself no other role"):
        await api("updateAccount", id=str(ADMIN_ACCOUNT), roleid=str(stable_id("role", "User")))


async def test_ssh_keys(api: Api) -> None:
    made = (await api("createSSHKeyPair", name="made"))["keypair"]
    key = serialization.load_ssh_private_key(made["privatekey"].encode(), None)
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    kept = await api("registerSSHKeyPair", name="kept", publickey=public.decode() + " me@here")
    assert kept["keypair"]["fingerprint"] == made["fingerprint"]
    assert "privatekey" not in kept["keypair"]
    found = (await api("listSSHKeyPairs", name="kept"))["sshkeypair"]
    assert [one["name"] for one in found] == ["kept"] and UUID(found[0]["id"])
    with pytest.raises(CloudStackException, match="already exists"):
        await api("createSSHKeyPair", name="made")
    with pytest.raises(CloudStackException, match="no SSH public key"):
        await api("registerSSHKeyPair", name="x", publickey="ssh-rsa nonsense")
    await api("deleteSSHKeyPair", name="made")
    with pytest.raises(CloudStackException, match="does not exist"):
        await api("deleteSSHKeyPair", name="made")


async def test_a_time_zone_is_one_that_there_is(api: Api) -> None:
    with pytest.raises(CloudStackException, match="must be a time zone such as"):
        await _account(api, "zoned", timezone="Mars/Base")
    account, own = await _account(api, "zoned", timezone="Europe/Berlin")
    with pytest.raises(CloudStackException, match="must be a time zone such as"):
        await own("updateUser", id=account["user"][0]["id"], timezone="../etc")


async def test_a_name_that_is_taken_is_told_with_its_account(api: Api) -> None:
    _, own = await _account(api, "t")
    await own("createSSHKeyPair", name="laptop")
    with pytest.raises(CloudStackException, match="account t and name laptop already exists"):
        await own("createSSHKeyPair", name="laptop")
