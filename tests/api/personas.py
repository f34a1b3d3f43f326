"""Everybody who stands in some relation to ann, and things of their own for each of them.

Ann's domain and bob's are moved below one parent, and hers gets a domain below. Two devices keep
this quick and say more than things made one by one could:

- **A project stands for ann's account**: its row says that her account is the project's. Rights
  and lists know a project by its account alone, so its members reach each of her things as they
  would a project's, whatever noun it is.
- **Twins**: each of ann's rows is copied for every stranger, under an id and an owner of its own.
  A stranger so asks with nothing but its own things, save the one that is tried: no other id can
  be what it is refused for.

Both are put into the fold and not into the log: nothing that is asked here is really done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from aggregates.vm import Vm
from api.authz import NOUNS
from engine.genesis import ROOT_DOMAIN, stable_id
from engine.intents import SYSTEM
from engine.intents.record import CreateRecord
from projections.project import OWNER
from projections.table import TABLES
from tests.api.everybody import House
from tests.api.rule_table import PERSONAS, ROLE_TYPES, letter
from tests.tenant.world import named

ROLES = {"U": "User", "D": "Domain Admin"}
DOMAINS = {
    "boss above": "parent",
    "user above": "parent",
    "below": "sub",
    "boss below": "sub",
    "bob": "bob",
    "boss of bob": "bob",
}
MEMBERS = {"lead": False, "member": False, "one user": True, "ex-member": False, "ex-user": True}
STANDING = named("project that stands for ann")


async def settle(here: House) -> None:
    """Domains in a tree, with every persona that the house does not have yet."""
    parent, ann = named("domain parent"), named("domain ann")
    await _domain(here, "parent", ROOT_DOMAIN, "/parent")
    for name in ("ann", "bob"):
        moved = {"domainid": str(named(f"domain {name}")), "parentdomainid": str(parent)}
        await here.make("root", "moveDomain", **moved)
    await _domain(here, "sub", ann, "/parent/ann/sub")
    for who in PERSONAS:
        if who not in here.keys:
            await _person(here, who)


async def _domain(here: House, name: str, parent_id: UUID, path: str) -> None:
    fields = {"name": name, "path": path, "level": path.count("/"), "parent_id": parent_id}
    await _make(here, "domain", named(f"domain {name}"), **fields)


async def _make(here: House, kind: str, row_id: UUID, **fields: Any) -> None:
    ask = CreateRecord(kind=kind, id=row_id, fields=fields)
    await here.controller.engine.decide(ask, SYSTEM)


async def _person(here: House, who: str) -> None:
    """An account with one user and a key."""
    domain_id = domain_of(who)
    account_id, user_id = named(f"account {who}"), named(f"user {who}")
    role_id, role_type = stable_id("role", ROLES[letter(who)]), ROLE_TYPES[letter(who)]
    fields = {"name": who, "domain_id": domain_id, "role_id": role_id, "role_type": role_type}
    await _make(here, "account", account_id, **fields)
    owner = {"account_id": account_id, "domain_id": domain_id}
    await _make(here, "user", user_id, name=who, password_ref=str(named("none")), **owner)
    secret_ref = str(await here.controller.vault.put(f"{who}-secret"))
    key = {"key": f"{who}-key", "user_id": user_id, "secret_ref": secret_ref}
    await _make(here, "api_key", named(f"key {who}"), **key)
    here.keys[who] = (f"{who}-key", f"{who}-secret")


def domain_of(who: str) -> UUID:
    """Where a persona lives."""
    return ROOT_DOMAIN if who == "root" else named(f"domain {DOMAINS.get(who, 'ann')}")


def share(here: House) -> None:
    """Let a project stand for ann's account; two of its five members have left it again."""
    ann = named("account ann")
    row = {"id": STANDING, "name": "standing", "account_id": ann, "domain_id": domain_of("ann")}
    put(here, "project", TABLES["project"].row(**row))
    for who, alone in MEMBERS.items():
        member = TABLES["project_member"].row(
            id=named(f"standing {who}"),
            project_id=STANDING,
            account_id=named(f"account {who}"),
            user_id=named(f"user {who}") if alone else None,
            role=OWNER if who == "lead" else "Regular",
        )
        put(here, "project_member", member)
        if who.startswith("ex-"):
            here.cloud.table("project_member").discard(member.id)
    role = here.cloud.table("project_role")
    put(here, "project_role", _copy(next(iter(role)), "standing", ann, domain_of("ann")))


def put(here: House, kind: str, row: Any) -> None:
    """Into the table of a noun; a guest's cards are then found, too."""
    table: Any = here.cloud.table(kind)
    table.rows[row.id.int] = row
    table._add(row)
    for inside in ("nic", "nic_ip") if kind == "vm" else ():
        cards: Any = here.cloud.table(inside)
        cards._follow(row.id, kind)


def _copy(row: Any, whose: str, account_id: UUID, domain_id: UUID) -> Any:
    owner = {"account_id": account_id, "project_account_id": account_id, "domain_id": domain_id}
    known: dict[str, Any] = {name: owner[name] for name in owner if name in row.__struct_fields__}
    if isinstance(row, Vm):
        known["nics"] = [_card(nic, whose) for nic in row.nics]
    return msgspec.structs.replace(row, id=named(f"{whose}'s {row.id}"), **known)


def _card(nic: Any, whose: str) -> Any:
    more = tuple(msgspec.structs.replace(ip, id=named(f"{whose}'s {ip.id}")) for ip in nic.more_ips)
    return msgspec.structs.replace(nic, id=named(f"{whose}'s {nic.id}"), more_ips=more)


@dataclass
class Twins:
    """What one stranger has: a copy of each of ann's things, and what is everybody's."""

    here: House
    who: str

    def thing(self, kind: str) -> UUID | None:
        if kind in ("account", "user", "domain"):
            return domain_of(self.who) if kind == "domain" else named(f"{kind} {self.who}")
        original = self.here.thing(kind)
        if original is None or NOUNS[kind].scope != "owned":
            return original
        row = self.here.cloud.table(kind)[original]
        if kind not in TABLES:  # it lives in a guest
            kind, row = "vm", self.here.cloud.table("vm")[row.vm_id]
        twin = _copy(row, self.who, named(f"account {self.who}"), domain_of(self.who))
        if twin.id not in self.here.cloud.table(kind):
            put(self.here, kind, twin)
        return named(f"{self.who}'s {original}")
