"""A real controller, everybody who might ask it, and a thing of each kind that there can be.

The things are ann's where they can be anybody's, so that for everybody else they must not exist.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import pkgutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote
from uuid import UUID, uuid4

from api.authz import NOUNS
from api.declare import REGISTRY, Bound, Matches, Names, OneOf, Spec
from api.dispatch import Answer, Gateway, Request
from api.fields import Field, Kind, read
from api.memo import Memo
from api.sessions import Sessions
from engine.genesis import stable_id
from engine.intents import SYSTEM
from engine.intents.record import CreateRecord
from engine.intents.setting import ChangeSetting
from projections.cloud import Cloud
from sagastack.boot import Controller, controller
from sagastack.face import Face
from sagastack.settings import Settings
from tests.api import things
from tests.tenant.world import add_tenant, build_zone, named

STRANGERS = ("bob", "boss of bob")
TENANTS = ("ann", "bob")
EVERYBODY = ("root", "boss of ann", "ann", *STRANGERS, "nobody")
LETTER = {"root": "A", "boss of ann": "D", "ann": "U", "bob": "U", "boss of bob": "D"}


@dataclass
class House:
    """The controller without HTTP, and the secret of each who asks."""

    controller: Controller
    gateway: Gateway
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def cloud(self) -> Cloud:
        return self.controller.cloud

    @property
    def position(self) -> int:
        return self.cloud.position

    async def ask(self, who: str, command: str, params: dict[str, str]) -> tuple[int, Any]:
        """Status and what is under the envelope."""
        answer = await self.raw(who, {"command": command, "response": "json", **params})
        body = json.loads(answer.body)
        assert len(body) == 1, body
        return answer.status, next(iter(body.values()))

    async def raw(self, who: str, params: dict[str, str]) -> Answer:
        """The whole answer to a request that `who` signed; nobody signs nothing."""
        full = dict(params)
        if who in self.keys:
            full["apikey"], secret = self.keys[who]
            full["signature"] = _signature(full, secret)
        return await self.gateway.answer(Request("POST", list(full.items())))

    async def make(self, who: str, command: str, **params: str) -> Any:
        """What a command answers that must succeed."""
        status, told = await self.ask(who, command, params)
        assert status == 200, (command, told)
        return told

    def thing(self, kind: str) -> UUID | None:
        """A row of a kind: ann's if it can be anybody's."""
        try:
            table = self.cloud.table(kind)
        except KeyError:
            return None
        if NOUNS[kind].scope != "owned":
            return next((row.id for row in table), None)
        ann, domain = named("account ann"), named("domain ann")
        for row in table:
            if row.id in (ann, domain) or NOUNS[kind].owner(row)[0] == ann:
                return row.id  # type: ignore[no-any-return]
        return None


def _signature(params: dict[str, str], secret: str) -> str:
    """CloudStack's algorithm, for values that every client quotes alike."""
    pairs = sorted(params.items())
    text = "&".join(f"{n}={quote(v, safe='*').replace('~', '%7E')}" for n, v in pairs).lower()
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


@asynccontextmanager
async def house(home: Path) -> AsyncIterator[House]:
    """A controller whose reconcilers rest, and whose routers are records, so that its log moves for
    requests alone."""
    async with controller(Settings(home=home, port=0, reconcile_s=3600)) as running:
        face = Face(running.engine, running.vault, running.engine.runner._world)
        gateway = Gateway(face, Sessions(_bytes), _now(running), uuid4, memo=Memo(face.cloud))
        here = House(running, gateway)
        found = await running.credentials()
        assert found is not None
        here.keys["root"] = (found.api_key, found.secret_key)
        records = ChangeSetting(id=uuid4(), name="network.router.on.hosts", value="false")
        await running.engine.decide(records, SYSTEM)
        await build_zone(running)
        for name in TENANTS:
            await add_tenant(running, name)
            here.keys[name] = (f"{name}-key", f"{name}-secret")
            await _add_boss(here, name)
        await _furnish(here)
        yield here


def _bytes(count: int) -> bytes:
    return uuid4().bytes * (count // 16)


def _now(running: Controller) -> Any:
    return running.engine._clock.now_ms


async def _add_boss(here: House, name: str) -> None:
    """The administrator of a tenant's domain."""
    running, boss = here.controller, f"boss of {name}"
    account_id, user_id = named(f"account {boss}"), named(f"user {boss}")
    owner = {"account_id": account_id, "domain_id": named(f"domain {name}")}

    async def make(kind: str, row_id: UUID, **fields: Any) -> None:
        await running.engine.decide(CreateRecord(kind=kind, id=row_id, fields=fields), SYSTEM)

    role_id = stable_id("role", "Domain Admin")
    fields: dict[str, Any] = {"name": boss, "domain_id": owner["domain_id"], "role_id": role_id}
    await make("account", account_id, role_type="DomainAdmin", **fields)
    await make("user", user_id, name=boss, password_ref=str(named("none")), **owner)
    secret_ref = str(await running.vault.put(f"{boss}-secret"))
    key = {"key": f"{boss}-key", "user_id": user_id, "secret_ref": secret_ref}
    await make("api_key", named(f"key {boss}"), **key)
    here.keys[boss] = (f"{boss}-key", f"{boss}-secret")


async def _furnish(here: House) -> None:
    """Ann gets one of everything that she can make: each module of `things` makes its nouns."""
    for found in sorted(pkgutil.iter_modules(things.__path__), key=lambda one: one.name):
        await import_module(f"{things.__name__}.{found.name}").furnish(here)


# ---- filling in a command ---------------------------------------------------------------------


class Things(Protocol):
    """Where the ids come from that a command is filled with."""

    def thing(self, kind: str) -> UUID | None: ...


def filled(here: Things, spec: Spec, *, every: bool = False) -> dict[str, str]:
    """A plausible value for each parameter that must be given, or for all."""
    found: dict[str, str] = {}
    for param in spec.params:
        if param.required or every:
            found |= given(here, param, param.wire)
    return found


def given(here: Things, param: Field, path: str) -> dict[str, str]:
    if param.kind is Kind.MAP:
        return {f"{path}[0].key": "k", f"{path}[0].value": "v"}
    if param.element is Kind.MAP:
        return {f"{path}[0].x": "v"}
    if param.element is Kind.OBJECT:
        inner = (given(here, one, f"{path}[0].{one.wire}") for one in read(param.of))
        return {name: value for part in inner for name, value in part.items()}
    return {path: _plain(here, param)}


def _plain(here: Things, param: Field) -> str:
    names: Names | None = param.mark(Names)
    if names is not None:
        return str(here.thing(names.kinds[0]) or uuid4())
    words: OneOf | None = param.mark(OneOf)
    if words is not None:
        return next(iter(words.words.values()))
    kind = param.element if param.kind is Kind.LIST else param.kind
    if param.of is not None:
        return str(next(iter(param.of)))
    bound: Bound | None = param.mark(Bound)
    number = str(int(bound.at_least)) if bound and bound.at_least is not None else "1"
    return {
        Kind.UUID: str(uuid4()),
        Kind.INTEGER: number,
        Kind.FLOAT: number,
        Kind.BOOLEAN: "true",
        Kind.DATE: "2020-01-01",
    }.get(kind or Kind.STRING, "x" if param.mark(Matches) is None else "a")


def commands() -> Iterable[Spec]:
    """Every command that needs somebody to be known, by name."""
    return [spec for _, spec in sorted(REGISTRY.items()) if not spec.public and not toy(spec)]


def toy(spec: Spec) -> bool:
    """Is it declared by a test?"""
    return spec.cls.__module__.startswith("tests.")
