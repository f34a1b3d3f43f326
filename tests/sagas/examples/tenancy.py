"""Examples of the sagas of tenancy."""

from __future__ import annotations

from msgspec.structs import replace

from engine.intents.account import DeleteAccount
from engine.intents.domain import DeleteDomain
from engine.intents.record import CreateRecord
from engine.intents.user import ChangeUser, DeleteKey, DeleteUser, RekeyUser
from engine.intents.volume import CreateVolume
from tests.sagas.rig import Rig
from tests.sagas.seed import DOMAIN, GIB, ROLE, ZONE, deploy, named


async def _tenant(rig: Rig) -> None:
    """A domain below the root with an account, a user and its key, each with a sealed secret."""
    where = {"domain_id": named("below")}

    async def make(kind: str, name: str, **fields: object) -> None:
        ask = CreateRecord(kind=kind, id=named(f"tenant {kind}"), fields={"name": name, **fields})
        await rig.engine.decide(ask, rig.by)

    domain = {"name": "below", "path": "/below", "level": 1, "parent_id": DOMAIN}
    below = CreateRecord(kind="domain", id=named("below"), fields=domain)
    await rig.engine.decide(below, rig.by)
    await make("account", "tenant", role_id=ROLE, role_type="Admin", **where)
    secret = str(await rig.vault.put("secret"))
    password = str(await rig.vault.put("password"))
    mine = {"account_id": named("tenant account"), "password_ref": password, **where}
    await make("user", "someone", **mine)
    key = {"key": "k", "user_id": named("tenant user"), "secret_ref": secret}
    await make("api_key", "someone", **key)


async def _change_user(rig: Rig) -> object:
    await _tenant(rig)
    other = str(await rig.vault.put("other"))
    return ChangeUser(user_id=named("tenant user"), fields={"password_ref": other})


async def _rekey_user(rig: Rig) -> object:
    await _tenant(rig)
    ref = str(await rig.vault.put("another"))
    return RekeyUser(user_id=named("tenant user"), key_id=named("new"), key="n", secret_ref=ref)


async def _delete_key(rig: Rig) -> object:
    await _tenant(rig)
    return DeleteKey(key_id=named("tenant api_key"))


async def _delete_user(rig: Rig) -> object:
    await _tenant(rig)
    return DeleteUser(user_id=named("tenant user"))


async def _possessions(rig: Rig) -> None:
    """A guest that runs with its disks, a loose volume, a key pair and a tag, all the tenant's."""
    mine = {"account_id": named("tenant account"), "domain_id": named("below")}
    await rig.run(replace(deploy("tenants"), **mine))
    loose = CreateVolume(
        volume_id=named("tenants loose"), zone_id=ZONE, name="loose", size_bytes=GIB, **mine
    )
    await rig.engine.decide(loose, rig.by)
    pair = {"name": "laptop", "public_key": "k", "fingerprint": "f", **mine}
    tag = {"kind": "vm", "resource_id": named("vm tenants"), "key": "k", "value": "v", **mine}
    for kind, fields in (("ssh_key_pair", pair), ("tag", tag)):
        made = CreateRecord(kind=kind, id=named(f"tenants {kind}"), fields=fields)
        await rig.engine.decide(made, rig.by)


async def _delete_account(rig: Rig) -> object:
    await _tenant(rig)
    await _possessions(rig)
    return DeleteAccount(account_id=named("tenant account"))


async def _delete_domain(rig: Rig) -> object:
    await _tenant(rig)
    return DeleteDomain(domain_id=named("below"), cleanup=True)


EXAMPLES = {
    "user.change:1": _change_user,
    "user.rekey:1": _rekey_user,
    "api_key.delete:1": _delete_key,
    "user.delete:1": _delete_user,
    "account.delete:1": _delete_account,
    "domain.delete:1": _delete_domain,
}
