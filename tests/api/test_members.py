"""What a project has, asked for by everybody who might: each command, each id parameter.

Members reach it as if it were their own; who was a member, who lives in the same domain and who
governs another one are told that it has never been.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from api.authz import NOUNS
from api.declare import Names, id_params
from engine.genesis import stable_id
from engine.intents import SYSTEM
from engine.intents.project import AddMember, RemoveMember
from engine.intents.record import CreateRecord
from projections.table import TABLES
from tests.api.everybody import House, commands, filled, house
from tests.api.test_every_command import Watch, gone
from tests.tenant.world import SMALL, TEMPLATE, ZONE, named

pytestmark = pytest.mark.timeout(300)

REACH = ("root", "boss of ann", "ann", "member", "one user")
STRANGE = ("ex-member", "ex-user", "neighbour", "bob", "boss of bob")
MEMBERS = {"member": False, "one user": True, "ex-member": False, "ex-user": True}
LETTER = {"root": "A", "boss of ann": "D", "boss of bob": "D"}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        for name in (*MEMBERS, "neighbour"):
            await _settle(one, name)
        await _share(one)
        yield one


async def _settle(here: House, name: str) -> None:
    """An account of ann's domain, with one user and a key."""
    account_id, user_id = named(f"account {name}"), named(f"user {name}")
    owner = {"account_id": account_id, "domain_id": named("domain ann")}

    async def make(kind: str, row_id: UUID, **fields: Any) -> None:
        ask = CreateRecord(kind=kind, id=row_id, fields=fields)
        await here.controller.engine.decide(ask, SYSTEM)

    role = {"role_id": stable_id("role", "User"), "role_type": "User"}
    await make("account", account_id, name=name, domain_id=owner["domain_id"], **role)
    await make("user", user_id, name=name, password_ref=str(named("none")), **owner)
    secret_ref = str(await here.controller.vault.put(f"{name}-secret"))
    key = {"key": f"{name}-key", "user_id": user_id, "secret_ref": secret_ref}
    await make("api_key", named(f"key {name}"), **key)
    here.keys[name] = (f"{name}-key", f"{name}-secret")


async def _share(here: House) -> None:
    """Things of ann's project; two of its four members leave it again."""
    team = _project(here).id
    decide = here.controller.engine.decide
    for name, alone in MEMBERS.items():
        user_id = named(f"user {name}") if alone else None
        ask = AddMember(
            member_id=named(f"membership {name}"),
            project_id=team,
            account_id=named(f"account {name}"),
            user_id=user_id,
        )
        await decide(ask, SYSTEM)
    mine = {"projectid": str(team)}
    guest = {"zoneid": str(ZONE), "serviceofferingid": SMALL, "templateid": TEMPLATE}
    guest |= {"startvm": "false", "name": "shared"}
    await here.make("member", "deployVirtualMachine", **guest, **mine)
    await here.make("member", "createSSHKeyPair", name="shared", **mine)
    for name in ("ex-member", "ex-user"):
        await decide(RemoveMember(member_id=named(f"membership {name}")), SYSTEM)


def _project(here: House) -> Any:
    """Ann's project."""
    found = (row for row in here.cloud.table("project") if row.name == "team")
    return next(found)


def _shared(here: House, kind: str) -> UUID | None:
    """A thing of this kind that ann's project has, or the project itself."""
    project = _project(here)
    if NOUNS[kind].scope != "owned" or kind not in TABLES:
        return None
    rows = here.cloud.table(kind)
    mine = (row.id for row in rows if getattr(row, "account_id", None) == project.account_id)
    return next(mine, None)


async def test_every_id_of_every_command(here: House) -> None:
    watch, seen = Watch(here), set[str]()
    for spec in commands():
        base = filled(here, spec)
        named_ids = [(path, param) for path, param in id_params(spec) if "[]" not in path]
        of_one_kind = [
            (path, kinds[0])
            for path, param in named_ids
            if len(kinds := _names(param).kinds) == 1 and _shared(here, kinds[0]) is not None
        ]
        for path, kind in of_one_kind:
            if path in base:
                base[path] = str(_shared(here, kind))
        for path, kind in of_one_kind:
            row_id = str(_shared(here, kind))
            seen.add(kind)
            for who in (*REACH, *STRANGE):
                if LETTER.get(who, "U") not in spec.allow:
                    continue
                status, told = await watch.ask(who, spec, base | {path: row_id})
                hidden = status != 200 and gone(told, row_id)
                strange = status != 200 and "entity does not exist" in told["errortext"]
                if who in REACH and hidden:
                    watch.wrong.append(f"{who}: {spec.name} {path}: the project's {kind} is hidden")
                if who in STRANGE and not strange:
                    watch.wrong.append(f"{who}: {spec.name} {path} of a project's {kind}: {told}")
    assert watch.wrong == []
    assert seen >= {"project", "vm", "volume", "network", "ssh_key_pair"}


def _names(param: Any) -> Names:
    found: Names = param.mark(Names)
    return found


@pytest.mark.parametrize("who", STRANGE)
async def test_no_list_tells_of_it(here: House, who: str) -> None:
    """Neither by listall nor by projectid=-1 does any list name what the project has."""
    hers = [row.id for kind in TABLES if kind in NOUNS and (row := _row(here, kind)) is not None]
    assert len(hers) > 4
    for spec in commands():
        if spec.shape != "list" or not spec.reads or LETTER.get(who, "U") not in spec.allow:
            continue
        for more in ({"listall": "true"}, {"projectid": "-1", "listall": "true"}):
            known = {name: value for name, value in more.items() if name in spec.by_wire}
            status, told = await here.ask(who, spec.name, filled(here, spec) | known)
            text = str(told)
            leaked = [str(one) for one in hers if str(one) in text and status == 200]
            assert not leaked, (spec.name, more, leaked)


def _row(here: House, kind: str) -> Any:
    row_id = _shared(here, kind)
    return None if row_id is None else here.cloud.table(kind)[row_id]
