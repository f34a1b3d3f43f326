"""What lists really tell, row by row: of the right type, the same in XML, and found by it again.

`test_facts.py` looks at what is declared; here the lists of a cloud with one of everything are
asked, because a view may be declared well and filled badly.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from api.declare import Spec
from tests.api.everybody import House, commands, filled, house
from tests.api.test_every_list import MORE
from tests.api.test_facts import FACTS, NESTED, TYPES

pytestmark = pytest.mark.timeout(300)

KINDS: dict[str, tuple[type, ...]] = {
    "n": (int, float),
    "b": (bool,),
    "l": (list,),
    "s": (str,),
    "o": (dict, list, str),
}
DAY = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}")
# Filters that are no comparison with the field of their name, and what they are instead.
OTHERWISE = {
    "account": "needs domainid, and both say whose",
    "domainid": "is the domain and not what lies below, unless isrecursive",
    "projectid": "asks for another scope",
    "page": "is no filter",
    ("listDomainChildren", "id"): "is the domain above",
    ("listNetworkACLLists", "vpcid"): "includes the two that are everybody's",
    ("listTemplates", "isready"): "true is a filter, false is none",
    ("listWebhookDeliveries", "enddate"): "is finer than what is told",
    ("listSnapshots", "intervaltype"): "is a schedule's, and MANUAL is none",
    ("listAnnotations", "entityid"): "needs entitytype beside it",
    ("listApis", "name"): "is spelled as it is",
    ("listResourceDetails", "key"): "is spelled as it is",
}
SCOPES = ("account", "domainid", "projectid")
# What is as of this moment, and so differs between two questions.
OF_NOW = ("listManagementServersMetrics", "listDbMetrics", "listUsageServerMetrics")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        yield one


async def told(here: House) -> AsyncIterator[tuple[Spec, dict[str, str], Any]]:
    """Each reading command that answers, what it was asked and what it tells."""
    for spec in commands():
        if spec.reads and spec.name not in OF_NOW:
            asked = filled(here, spec) | MORE.get(spec.name, {})
            asked |= {"listall": "true"} if "listall" in spec.by_wire else {}
            status, answer = await here.ask("root", spec.name, asked)
            if status == 200:
                yield spec, asked, answer


def rows_of(spec: Spec, answer: Any) -> list[Any]:
    if spec.shape == "list":
        return list(answer.get(spec.key, ()))
    return [answer[spec.key] if spec.shape == "object" else answer]


def ill_typed(where: str, kind: str, row: dict[str, Any]) -> Iterator[str]:
    """What of a row is not as CloudStack's type of it says, also deep within."""
    fields, within = TYPES.get(kind, {}), NESTED.get(kind, {})
    for name, value in row.items():
        deep = [one for one in (value if isinstance(value, list) else [value]) if name in within]
        for one in deep:
            if isinstance(one, dict):
                yield from ill_typed(f"{where}.{name}", within[name], one)
        letter = fields.get(name, "") if not deep else ""
        wrong = letter != "" and not isinstance(value, KINDS[letter])
        wrong |= isinstance(value, bool) and letter not in ("b", "")
        if value is None or wrong:
            yield f"{where}: {name} is {value!r}"
        if isinstance(value, str) and DAY.match(value) and not MOMENT.fullmatch(value):
            yield f"{where}: {name} is a time in another form: {value}"
        if name == "domainpath" and str(value).split("/")[0] != "ROOT":
            yield f"{where}: {name} does not begin with ROOT: {value}"


async def test_every_field_is_of_its_type(here: House) -> None:
    wrong: list[str] = []
    told_rows = 0
    async for spec, _, answer in told(here):
        if spec.shape == "list" and answer:
            assert set(answer) <= {"count", spec.key}, spec.name
            assert answer["count"] == len(rows_of(spec, answer)), spec.name
        for row in rows_of(spec, answer):
            told_rows += 1
            if isinstance(row, dict):
                kind = FACTS[spec.name][-2] if spec.name in FACTS else ""
                wrong += ill_typed(spec.name, kind, row)
    assert told_rows > 1000
    assert sorted(set(wrong)) == []


async def test_xml_tells_the_same(here: House) -> None:
    async for spec, asked, answer in told(here):
        sent = await here.raw("root", {"command": spec.name, **asked})
        assert _read(ElementTree.fromstring(sent.body)) == _plain(answer), spec.name


def _read(element: ElementTree.Element) -> Any:
    """An element as names with all that they hold."""
    inner: dict[str, list[Any]] = {}
    for one in element:
        inner.setdefault(one.tag, []).append(_read(one))
    return inner or element.text or ""


def _plain(value: Any) -> Any:
    """JSON as XML would have it: a list is an element an item, and all is text."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, dict):
        return str(value)
    inner = {
        re.sub(r"[^A-Za-z0-9._-]", "_", name): [_plain(one) for one in many]
        for name, held in value.items()
        if (many := held if isinstance(held, list) else [held])
    }
    return inner or ""


async def test_a_row_is_found_by_what_it_tells(here: House) -> None:
    """Also in capitals: nobody remembers how a name was spelled."""
    wrong, tried = [], 0
    async for spec, asked, answer in told(here):
        rows = [row for row in rows_of(spec, answer) if isinstance(row, dict)]
        names = [param.wire for param in spec.params if spec.shape == "list"]
        for name in names:
            if name in asked or name in OTHERWISE or (spec.name, name) in OTHERWISE:
                continue
            for value in list(dict.fromkeys(_scalars(rows, name)))[:3]:
                for sent in {value, value.upper()} if len(value) != 36 else {value}:
                    tried += 1
                    status, found = await here.ask("root", spec.name, asked | {name: sent})
                    wanted = [row for row in rows if _text(row.get(name)) == value]
                    if status != 200 or rows_of(spec, found) != wanted:
                        wrong.append(f"{spec.name} {name}={sent}")
    assert tried > 300
    assert wrong == []


def _scalars(rows: list[dict[str, Any]], name: str) -> list[str]:
    held = (row[name] for row in rows if name in row)
    return [_text(one) for one in held if not isinstance(one, (list, dict))]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


BAD = ("a b", "-x-", "x" * 300, "-5", "0", "banana", "9" * 12, "1,2", "\u00fc")


async def test_a_refusal_names_the_parameter_or_repeats_its_value(here: House) -> None:
    """Of a request that is refused for one value alone, somebody must find out which it was."""
    wrong, refused = [], 0
    for spec in commands():
        dry = {} if spec.reads else {"dryrun": "true"}
        asked = filled(here, spec) | MORE.get(spec.name, {}) | dry
        status, _ = await here.ask("root", spec.name, asked)
        names = [one.wire for one in spec.params if status == 200 and one.wire not in SCOPES]
        for name, value in product(names, BAD):
            status, answer = await here.ask("root", spec.name, asked | {name: value})
            text = str(answer.get("errortext", "")).lower()
            if status in (430, 431):
                refused += 1
                said = name in re.findall(r"[a-z0-9]+", text)
                if not said and value.split(",")[0][:50].lower() not in text:
                    wrong.append(f"{spec.name} {name}={value[:20]}: {text[:150]}")
    assert refused > 2000
    assert wrong == []
