"""What the console knows by heart (`ui/*.json`, and the names in its scripts) is there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from aggregates.base import EVENTS
from api.declare import REGISTRY, load

UI = Path(__file__).parents[2] / "ui"
NOUNS = {
    noun["noun"]: noun
    for group in json.loads((UI / "nouns.json").read_text())
    for noun in group["nouns"]
}
load()


def params_of(command: str) -> set[str]:
    return {param.wire for param in REGISTRY[command].params}


@pytest.mark.parametrize("noun", NOUNS.values(), ids=NOUNS)
def test_a_noun_names_what_there_is(noun: dict[str, Any]) -> None:
    listed = REGISTRY[noun["list"]]
    assert listed.key == noun["key"]
    fields = {field.wire for field in listed.returns.FIELDS}
    assert set(noun["columns"]) | {noun.get("id", "id")} <= fields
    assert noun.get("id", "id") in params_of(noun["list"]) or noun["noun"] == "jobs"
    for sent in ("always", "tenant"):
        assert noun.get(sent, {}).keys() <= params_of(noun["list"])
    assert {*noun["create"], *noun["often"]} <= REGISTRY.keys()
    kinds = {topic.partition(".")[0] for topic in EVENTS} | {"*"}
    assert set(noun["topics"]) <= kinds


@pytest.mark.parametrize("noun", NOUNS.values(), ids=NOUNS)
def test_what_belongs_to_a_noun_is_listed_by_it(noun: dict[str, Any]) -> None:
    for other, param in noun.get("within", []):
        assert param in params_of(NOUNS[other]["list"])


def test_forms_show_what_their_commands_take() -> None:
    for command, params in json.loads((UI / "forms.json").read_text()).items():
        assert set(params) <= params_of(command), command


def test_scripts_call_only_what_there_is() -> None:
    for script in UI.glob("*.js"):
        for command in re.findall(r'\bcall\("(\w+)"', script.read_text()):
            assert command in REGISTRY, f"{script.name} calls {command}"
