"""Nobody comes to more rights than they have: attackers who may manage others try, from a seed.

Each may call some commands about roles, accounts, users and keys. It tries them at random, really,
with whatever is there. Whoever it can then become (a key whose secret it was told, a user whose
password it chose) may call nothing that it may not call itself.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest

from api.authz import may_call
from api.caller import Identity
from api.declare import REGISTRY
from api.identity import identify
from tests.api.everybody import House, house
from tests.tenant.world import named

pytestmark = pytest.mark.timeout(300)

STEPS = 300
PERSON = {"email": "x@example.org", "firstname": "x", "lastname": "x"}
RULES: tuple[str, ...] = (
    "*",
    "list*",
    "create*",
    "*Role*",
    "*User*",
    "*Account*",
    "createZone",
    "deleteHost",
)
RULES += ("getUserKeys", "registerUserKeys", "deploy*", "c*e*", "*Zone", "listUsers")
TYPES = ("Admin", "ResourceAdmin", "DomainAdmin", "User")
PEOPLE = (("*User*", True), ("*Account*", True), ("list*", True))
# What each attacker may call: the first rule that fits decides.
ATTACKERS: dict[str, tuple[str, tuple[tuple[str, bool], ...]]] = {
    "clerk": ("Admin", (("createZone", False), ("*Role*", True), *PEOPLE)),
    "chief": ("DomainAdmin", (("deploy*", False), *PEOPLE)),
    "warden": ("ResourceAdmin", PEOPLE),
}
# Those who sign with a key that may do less than its user: the user, and the rules of the key.
KEYS: dict[str, tuple[str, tuple[str, ...]]] = {
    "root by a key": ("root", ("*Role*", "*User*", "*Account*", "list*")),
    "boss of ann by a key": ("boss of ann", ("*User*", "createAccount", "updateAccount", "list*")),
    "ann by a key": ("ann", ("*User*", "list*")),
}
COMMANDS = (
    "createRole", "importRole", "updateRole", "createRolePermission", "updateRolePermission",
    "deleteRolePermission", "enableRole", "disableRole", "createAccount", "updateAccount",
    "createUser", "updateUser", "registerUserKeys", "getUserKeys", "createUserKey", "moveUser",
    "enableAccount", "enableUser",
)  # fmt: skip


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        yield one


async def enter(here: House, who: str) -> None:
    """Let an attacker be, and give it a key."""
    if who in KEYS:
        whose, rules = KEYS[who]
        said = {f"rules[{n}].rule": rule for n, rule in enumerate(rules)}
        said |= {f"rules[{n}].permission": "allow" for n in range(len(rules))}
        made = await here.make(whose, "createUserKey", name="less", **said)
        here.keys[who] = (made["userkey"]["apikey"], made["userkey"]["secretkey"])
        return
    role_type, rules_ = ATTACKERS[who]
    said = {f"rules[{n}].rule": rule for n, (rule, _) in enumerate(rules_)}
    words = {True: "allow", False: "deny"}
    said |= {f"rules[{n}].permission": words[yes] for n, (_, yes) in enumerate(rules_)}
    role = (await here.make("root", "importRole", name=who, type=role_type, **said))["role"]["id"]
    asked = {"username": who, "password": "x1y2z3", "domainid": str(named("domain ann"))}
    made = await here.make("root", "createAccount", roleid=role, **asked, **PERSON)
    user_id = made["account"]["user"][0]["id"]
    keys = (await here.make("root", "registerUserKeys", id=user_id))["userkeys"]
    here.keys[who] = (keys["apikey"], keys["secretkey"])


class Attacker:
    """Tries, and keeps who it can become."""

    def __init__(self, here: House, who: str, seed: int) -> None:
        self.here, self.who, self.dice = here, who, random.Random(seed)
        self.rights = self.of_key(here.keys[who][0])
        self.users, self.keys = set[UUID](), {here.keys[who][0]}
        self.done: dict[str, int] = {}

    def of_key(self, key: str) -> set[str]:
        """What may be called with a key."""
        row = self.here.cloud.table("api_key").one("key", key)
        return set() if row is None else self.of_user(row.user_id, tuple(row.rules) or None)

    def of_user(self, user_id: UUID, key_rules: Any = None) -> set[str]:
        """What may be called as a user."""
        found: Identity | None = identify(self.here.cloud, user_id)
        if found is None:
            return set()
        who = replace(found, key_rules=key_rules)
        return {spec.name for spec in REGISTRY.values() if may_call(who, spec)}

    def any(self, kind: str) -> str:
        """The id of a row of this noun."""
        return str(self.dice.choice(list(self.here.cloud.table(kind))).id)

    def rule(self) -> dict[str, str]:
        """A rule that takes away or gives."""
        return {"rule": self.dice.choice(RULES), "permission": self.dice.choice(("allow", "deny"))}

    def maybe(self, **said: str) -> dict[str, str]:
        """Some of these."""
        return {name: value for name, value in said.items() if self.dice.random() < 0.5}

    def rule_ids(self) -> list[str]:
        """Every rule of every role."""
        rows = self.here.cloud.table("role")
        return [str(uuid5(row.id, rule)) for row in rows for rule, _ in row.rules]

    def request(self, command: str) -> dict[str, str]:
        """Something that might work."""
        name, pick = f"n{self.dice.randrange(10**6)}", self.dice.choice
        rules: dict[str, str] = {}
        for number in range(self.dice.randrange(1, 4)):
            rules |= {f"rules[{number}].{k}": v for k, v in self.rule().items()}
        key = {"userapikey": f"key-{name}", "usersecretkey": f"secret-{name}"}
        domain = self.any("domain")
        role, user, account = self.any("role"), self.any("user"), self.any("account")
        owner = {"account": self.here.cloud.table("account")[UUID(account)].name}
        public, yes_no = pick(("true", "false")), pick(("allow", "deny"))
        person = {"username": name, "password": name} | PERSON
        may = pick(({"roleid": role}, {"accounttype": pick("0123")}))
        named_so = {"name": pick((name, "clerk", "chief", "Root Admin"))}
        asked: dict[str, dict[str, str]] = {
            "createRole": pick(({"type": pick(TYPES)}, {"roleid": role})) | {"name": name},
            "importRole": named_so | {"type": pick(TYPES), "forced": "true"} | rules,
            "updateRole": {"id": role} | self.maybe(type=pick(TYPES), ispublic=public),
            "createRolePermission": {"roleid": role} | self.rule(),
            "updateRolePermission": {
                "roleid": role,
                "ruleid": pick(self.rule_ids()),
                "permission": yes_no,
            },
            "deleteRolePermission": {"id": pick(self.rule_ids())},
            "enableRole": {"id": role},
            "disableRole": {"id": role},
            "createAccount": person | may | self.maybe(domainid=domain),
            "updateAccount": {"id": account} | self.maybe(roleid=role),
            "createUser": person | pick(({}, owner | {"domainid": domain})),
            "updateUser": {"id": user} | pick(({"password": name}, key)),
            "registerUserKeys": {"id": user},
            "getUserKeys": {"id": user},
            "createUserKey": {"name": name} | self.maybe(userid=user) | pick(({}, rules)),
            "moveUser": {"id": user, "accountid": account},
            "enableAccount": {"id": account},
            "enableUser": {"id": user},
        }
        return asked[command]

    async def step(self) -> None:
        """One request, and what its answer tells."""
        command = self.dice.choice(COMMANDS)
        asked = self.request(command)
        status, told = await self.here.ask(self.who, command, asked)
        if status != 200:
            return
        self.done[command] = self.done.get(command, 0) + 1
        if "password" in asked:
            made = told.get("user", {}).get("id") or asked.get("id")
            made = made or told["account"]["user"][0]["id"]
            self.users.add(UUID(made))
        for found in (told.get("userkeys", {}), told.get("userkey", {})):
            if "secretkey" in found:
                self.keys.add(found["apikey"])
        if "userapikey" in asked:
            self.keys.add(asked["userapikey"])

    def gained(self) -> set[str]:
        """What it may call now, as whomever, and might not call before."""
        keys, users = map(self.of_key, self.keys), map(self.of_user, self.users)
        return set[str]().union(*keys, *users) - self.rights


@pytest.mark.parametrize("who", [*ATTACKERS, *KEYS])
async def test_nobody_comes_to_more(here: House, who: str) -> None:
    """One attacker at a time: what another administrator gives away is its own affair."""
    for other in (*ATTACKERS, *KEYS):
        await enter(here, other)
    attacker = Attacker(here, who, seed=7)
    for _ in range(STEPS):
        await attacker.step()
        gained = attacker.gained()
        assert not gained, (sorted(gained)[:20], attacker.done)
    assert attacker.done, f"{who} could do nothing at all"
