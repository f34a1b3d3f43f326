"""Every registered command, asked by everybody, about everything: what may not be is refused.

The real registry over a real engine. A refusal, and a dry run, must leave the log where it was;
and whatever is sent, no answer may be one that nobody foresaw.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree

import pytest

from api.authz import NOUNS, uncovered
from api.declare import Names, Spec, id_params, load
from engine.turns import later
from tests.api.everybody import EVERYBODY, LETTER, STRANGERS, House, commands, filled, house

pytestmark = pytest.mark.timeout(300)
FORESEEN = {200, 430, 431, 432, 530, 531, 532, 533, 534, 535, 536, 537}
HOSTILE = (
    "",
    " ",
    "0",
    "-1",
    "1.5",
    "NaN",
    "9" * 19,
    "-" + "9" * 18,
    "x" * 300,
    "x" * 100_000,
    "\u0000",
    "\ufffe\U0001f600\u202e<&>'\"",
    "/" * 40,
    "%s{0}*[a-",
    "0001-01-01",
    "9999-12-31T23:59:59-2359",
    "http://[::1",
)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        yield one


def gone(told: Any, value: str) -> bool:
    return "entity does not exist" in told["errortext"] and value in told["errortext"]


class Watch:
    """Asks, and holds every answer to what must always be so."""

    def __init__(self, here: House) -> None:
        self.here = here
        self.wrong: list[str] = []

    async def ask(self, who: str, spec: Spec, params: dict[str, str]) -> tuple[int, Any]:
        """Ask for real what will be refused, and dry what may be done."""
        dry = {} if spec.reads else {"dryrun": "true"}
        before = self.here.position
        status, told = await self.here.ask(who, spec.name, params | dry)
        shown = {name: value[:60] for name, value in params.items()}
        text = told.get("errortext", "")
        if status not in (*FORESEEN, 401) or "Internal error" in text:
            self.wrong.append(f"{who}: {spec.name} {shown}: {status} {text}")
        if self.here.position != before:
            self.wrong.append(f"{who}: {spec.name} {shown} wrote to the log")
        if status != 200 and len(text.split()) < 3:
            self.wrong.append(f"{who}: {spec.name} {shown}: {text!r} says too little")
        return status, told


def test_nothing_is_unguarded() -> None:
    load()
    assert uncovered() == []


async def test_a_role_decides_who_may_call(here: House) -> None:
    """Nobody is let in, and each is let into what is declared for its role and nothing else."""
    watch = Watch(here)
    for spec in commands():
        for who in EVERYBODY:
            status, _ = await watch.ask(who, spec, {})
            if who == "nobody":
                assert status == 401, spec.name
            else:
                assert (status == 432) == (LETTER[who] not in spec.allow), (spec.name, who)
    assert watch.wrong == []


async def test_ids_are_guarded(here: House) -> None:
    """What is ann's, or the administrators', is for strangers as if it had never been."""
    watch = Watch(here)
    for spec in commands():
        for path, param in id_params(spec):
            names: Names = param.mark(Names)
            if "[]" in path:
                continue
            for who in (one for one in EVERYBODY if LETTER.get(one, "") in spec.allow):
                if who != "nobody" and param.open_to(_role(who)):
                    await _walk(watch, spec, path, names, who)
    assert watch.wrong == []


def _role(who: str) -> str:
    return {"A": "Admin", "D": "DomainAdmin", "U": "User"}[LETTER[who]]


async def _walk(watch: Watch, spec: Spec, path: str, names: Names, who: str) -> None:
    """One id parameter, by one caller: what is not there, what is not its, and what is."""
    here, base = watch.here, filled(watch.here, spec)
    wrong_kind = str(here.thing("network" if "network" not in names.kinds else "vm"))
    absent = [str(uuid4()), "no-id", "0"]
    if set(names.kinds).isdisjoint({"domain", "account", "user", "zone"}):
        absent.append(wrong_kind)
    if not names.every:
        absent.append("-1")
    for value in absent:
        status, told = await watch.ask(who, spec, base | {path: value})
        if status == 200 or not told["errortext"]:
            watch.wrong.append(f"{who}: {spec.name} {path}={value} was accepted")
    if len(names.kinds) > 1:
        return
    (kind,) = names.kinds
    row_id = here.thing(kind)
    if row_id is None:
        return
    status, told = await watch.ask(who, spec, base | {path: str(row_id)})
    hidden = NOUNS[kind].scope == "admin" and who != "root"
    hidden |= NOUNS[kind].scope == "owned" and who in STRANGERS
    if hidden and (status == 200 or "entity does not exist" not in told["errortext"]):
        watch.wrong.append(f"{who}: {spec.name} {path} of ann's {kind}: {status} {told}")
    if not hidden and who in ("root", "ann") and status != 200 and gone(told, str(row_id)):
        watch.wrong.append(f"{who}: {spec.name} {path}: its own {kind} is hidden")


async def test_hostile_values_are_foreseen(here: House) -> None:
    """Empty, huge, out of range, half a pair: an answer that somebody thought of."""
    watch = Watch(here)
    for spec in commands():
        base = filled(here, spec)
        if "listall" in spec.by_wire:  # else a filter would not meet a row
            base |= {"listall": "true"}
        for param in spec.params:
            for value in HOSTILE:
                await watch.ask("root", spec, base | {param.wire: value})
            for malformed in (f"{param.wire}[0].x", f"{param.wire}[0", f"{param.wire}[0].key"):
                await watch.ask("root", spec, base | {malformed: "x"})
        for who in ("root", "boss of ann", "ann", "bob"):
            await watch.ask(who, spec, filled(here, spec, every=True))
    assert watch.wrong == []


async def test_every_list_answers_for_the_past_or_says_why_not(here: House) -> None:
    watch = Watch(here)
    then = "2020-01-01T00:00:00+0000"
    for spec in commands():
        if spec.reads:
            base = filled(here, spec)
            status, told = await watch.ask("root", spec, base | {"asof": then})
            if status == 200 and spec.shape != "list":
                watch.wrong.append(f"{spec.name} took asof and answered of now")
            status, told = await watch.ask("root", spec, base | {"asof": "yesterday"})
            if status == 200 or "asof" not in told["errortext"]:
                watch.wrong.append(f"{spec.name} took asof=yesterday: {told}")
    assert watch.wrong == []


async def test_xml_is_well_formed(here: House) -> None:
    for spec in commands():
        answer = await here.raw(
            "root", {"command": spec.name, **filled(here, spec), "dryrun": "true"}
        )
        root = ElementTree.fromstring(answer.body)
        expected = "errorresponse" if answer.status == 432 else spec.envelope
        assert root.tag == expected, spec.name
    answer = await here.raw("ann", {"command": "listVirtualMachines"})
    nic = ElementTree.fromstring(answer.body).find("virtualmachine/nic")
    assert nic is not None and nic.findtext("ipaddress", "").startswith("10.1.1.")
    ugly = "\ufffe\uffff<&>\U0001f600"
    answer = await here.raw("root", {"command": "listZones", "id": ugly})
    assert ElementTree.fromstring(answer.body).findtext("errorcode") == "431"


async def test_list_apis_lets_others_have_their_turns(here: House) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await later()
            turns += 1

    counting = asyncio.ensure_future(count())
    await here.ask("root", "listApis", {"name": "listApis"})
    before, turns = turns, 0
    await here.ask("root", "listApis", {})
    counting.cancel()
    assert turns - before >= len(commands()) // 20


async def test_list_apis_says_what_there_is(here: House) -> None:
    for who, letter in LETTER.items():
        _, told = await here.ask(who, "listApis", {})
        listed = {one["name"]: one for one in told["api"] if "Toy" not in one["name"]}
        known = {spec.name: spec for spec in commands() if letter in spec.allow}
        assert set(listed) - {"login", "logout"} == set(known)
        for name, spec in known.items():
            one = listed[name]
            assert one["isasync"] == spec.is_async
            params = {param["name"]: param["required"] for param in one["params"]}
            for param in spec.params:
                if param.open_to(_role(who)):
                    assert params[param.wire] == param.required, name
            assert json.dumps(one["response"])


async def test_a_url_with_a_password_is_refused_and_not_repeated(here: House) -> None:
    for command in ("addHost", "updateHost", "createStoragePool", "addImageStore"):
        (spec,) = (one for one in commands() if one.name == command)
        params = filled(here, spec) | {"url": "nfs://root:s3cret@192.0.2.9/x"}
        params |= {"clusterid": str(here.thing("cluster"))}
        status, told = await here.ask("root", command, params)
        assert status == 431, (command, told)
        assert "password" in told["errortext"]
        assert "s3cret" not in told["errortext"]
