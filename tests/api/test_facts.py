"""Every command that CloudStack has too looks on the wire as CloudStack's does.

`wire_facts.json` holds for each of CloudStack's commands: asynchronous, creates, envelope, key,
shape, letters of its default roles, type of the answer, and its parameters with type and whether
required. `wire_types.json` holds each answer's fields: n number, b boolean, l list, o object,
s string. `wire_nested.json` says what the fields of answers within answers are.
What is ours alone says `since="sagastack ..."`. `wire_gaps.json` says which fields our
answers lack, and why; it may only shrink.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api.declare import REGISTRY, Spec, View, load
from api.fields import Kind, Wire
from api.listapis import param_type

HERE = Path(__file__).parent
FACTS: dict[str, Any] = json.loads((HERE / "wire_facts.json").read_text())
TYPES: dict[str, dict[str, str]] = json.loads((HERE / "wire_types.json").read_text())
NESTED: dict[str, dict[str, str]] = json.loads((HERE / "wire_nested.json").read_text())
GAPS: dict[str, dict[str, str]] = json.loads((HERE / "wire_gaps.json").read_text())
MISSED = {
    (shown, wire): why
    for why, views in GAPS.items()
    for shown, wires in views.items()
    for wire in wires.split()
}

load()
OURS = sorted(name for name, spec in REGISTRY.items() if spec.cls.__module__.startswith("api."))

# Type words that are one thing to a parser.
SAME = {"long": "integer", "short": "integer", "double": "float", "object": "string"}
# What every list takes, whether CloudStack's list of that noun does or not.
SHARED_BY_LISTS = {
    "asof",
    "id",
    "ids",
    "name",
    "keyword",
    "page",
    "pagesize",
    "listall",
    "account",
    "domainid",
    "isrecursive",
    "projectid",
    "tags",
}
LETTER = {
    Kind.INTEGER: "n",
    Kind.FLOAT: "n",
    Kind.BOOLEAN: "b",
    Kind.LIST: "l",
    Kind.MAP: "o",
    Kind.OBJECT: "o",
}


def is_ours(since: str) -> bool:
    return since.startswith("sagastack")


@pytest.mark.parametrize("name", OURS)
def test_the_command(name: str) -> None:
    spec = REGISTRY[name]
    if name not in FACTS:
        assert is_ours(spec.since), f"{name} is no command of CloudStack: say since='sagastack ...'"
        return
    is_async, creates, envelope, key, shape, roles, _, _ = FACTS[name]
    ours = (spec.is_async, spec.creates, spec.envelope, spec.key, spec.shape)
    assert ours == (bool(is_async), bool(creates), envelope, key, shape)
    assert set(spec.allow) == set(roles), f"{name} is for {roles} in CloudStack"


@pytest.mark.parametrize("name", [name for name in OURS if name in FACTS])
def test_its_parameters(name: str) -> None:
    spec, facts = REGISTRY[name], {key.lower(): fact for key, fact in FACTS[name][-1].items()}
    wrong = [*_wrong_params(spec, facts)]
    taken = {param.wire for param in spec.params}
    if not spec.cls.__module__.endswith("nothing_yet"):
        # What cannot be true yet is declared with `Later`, so that nothing is silently ignored.
        wrong += [f"{wire} is not known here" for wire in facts if wire not in taken]
    assert wrong == []


def _wrong_params(spec: Spec, facts: dict[str, Any]) -> list[str]:
    wrong = []
    for param in spec.params:
        over: Wire | None = param.mark(Wire)
        if param.wire not in facts:
            shared = spec.shape == "list" and param.wire in SHARED_BY_LISTS
            if not shared and not (over is not None and is_ours(over.since)):
                wrong.append(f"{param.wire} is not CloudStack's: Wire(since='sagastack ...')")
            continue
        kind = facts[param.wire][0]
        got = param_type(param)
        # An id that CloudStack takes as text may be checked as an id here.
        same = SAME.get(kind, kind) == SAME.get(got, got) or (kind, got) == ("string", "uuid")
        if not same and not (over is not None and is_ours(over.since)):
            wrong.append(f"{param.wire} is {kind} in CloudStack and {got} here")
    return wrong


def _answers() -> set[tuple[type[View], str]]:
    """Our views with the names of the types that they stand for, those within others included."""
    found: set[tuple[type[View], str]] = set()
    todo = [
        (REGISTRY[name].returns, str(FACTS[name][-2]))
        for name in OURS
        if name in FACTS and not REGISTRY[name].cls.__module__.endswith("nothing_yet")
    ]
    while todo:
        shown, kind = todo.pop()
        if (shown, kind) in found:
            continue
        found.add((shown, kind))
        within = NESTED.get(kind, {})
        todo += [
            (field.of, within[field.wire])
            for field in shown.NESTED
            if field.wire in within and issubclass(field.of, View)
        ]
    return found


ANSWERS = sorted(_answers(), key=lambda one: (one[0].__name__, one[1]))


@pytest.mark.parametrize(("shown", "kind"), ANSWERS)
def test_an_answer(shown: type[View], kind: str) -> None:
    fields = TYPES.get(kind, {})
    wrong = [
        f"{field.wire} is {fields[field.wire]} in CloudStack, not {field.kind.value}"
        for field in shown.FIELDS
        if field.wire in fields and fields[field.wire] != LETTER.get(field.kind, "s")
    ]
    assert wrong == []


def _lacking() -> set[tuple[str, str]]:
    """The fields of CloudStack's answers that ours do not have, by the name of our view."""
    return {
        (shown.__name__, wire)
        for shown, kind in ANSWERS
        for wire in TYPES.get(kind, {}).keys() - {field.wire for field in shown.FIELDS}
    }


def test_no_field_of_an_answer_is_missing_unseen() -> None:
    assert sorted(_lacking() - MISSED.keys()) == []


def test_no_field_is_still_called_missing() -> None:
    assert sorted(MISSED.keys() - _lacking()) == [], "take these out of wire_gaps.json"
    assert all(len(why) > 10 for why in GAPS)
