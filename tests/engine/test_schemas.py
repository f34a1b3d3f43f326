"""The published schemas say what lies in the log, of now and of earlier releases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from aggregates.base import EVENTS
from engine import asyncapi, schemas
from engine.log import Stored
from sagastack.tools.schemas import write
from tests.log.test_old_shapes import CREATED, ID, UPDATED
from tests.sagas.rig import Rig, new_sim, rig
from tests.sagas.seed import deploy, seed

OURS = {topic for topic, kind in EVENTS.items() if kind.__module__.startswith("aggregates.")}


def validator(topic: str, shape: int) -> jsonschema_rs.Draft202012Validator:
    told = schemas.schema(topic, shape)
    assert told is not None, f"{topic} has no schema of shape {shape}"
    return jsonschema_rs.Draft202012Validator(told, validate_formats=True)


async def rows(r: Rig) -> list[Stored]:
    await seed(r)
    await r.run(deploy())
    stored = await r.log.read_stored()
    assert isinstance(stored, list)
    return stored


async def test_what_the_log_holds_is_valid(tmp_path: Path) -> None:
    async with rig(tmp_path, new_sim()) as r:
        stored = await rows(r)
    assert len({row.topic for row in stored}) > 15
    for row in stored:
        value = json.loads(row.state)
        validator(row.topic, value.get("v", 1)).validate(value)


async def test_a_changed_type_or_a_missing_field_is_not_valid(tmp_path: Path) -> None:
    async with rig(tmp_path, new_sim()) as r:
        row = next(one for one in await rows(r) if one.topic == "vm.created")
    check = validator("vm.created", EVENTS["vm.created"].VERSION)
    value: dict[str, Any] = json.loads(row.state)
    assert check.is_valid(value)
    assert not check.is_valid(value | {"d": value["d"] | {"cpu_count": "two"}})
    assert not check.is_valid(value | {"d": value["d"] | {"nics": [{"id": "no uuid"}]}})
    assert not check.is_valid(value | {"d": {k: v for k, v in value["d"].items() if k != "name"}})
    assert not check.is_valid({k: v for k, v in value.items() if k != "at"})
    assert not check.is_valid({k: v for k, v in value.items() if k != "v"})


@pytest.mark.parametrize(("topic", "state"), [("vm.created", CREATED), ("vm.updated", UPDATED)])
def test_rows_of_an_earlier_release_have_the_schema_of_their_shape(topic: str, state: str) -> None:
    value = json.loads(state.replace("ID", ID))
    validator(topic, 1).validate(value)
    assert not validator(topic, 2).is_valid(value)


def test_a_data_noun_says_which_fields_may_change() -> None:
    check = validator("domain.updated", 1)
    assert check.is_valid({"at": 1, "d": {"changed": {"name": "lab"}}})
    assert not check.is_valid({"at": 1, "d": {"changed": {"name": 7}}})


def test_every_shape_of_every_topic_has_a_schema_that_stands_alone() -> None:
    for topic in OURS:
        for shape in range(1, EVENTS[topic].VERSION + 1):
            told = schemas.schema(topic, shape)
            assert told is not None and told["$id"] == schemas.uri_of(topic, shape)
            jsonschema_rs.Draft202012Validator(told)
            assert set(_references(told)) <= {f"#/$defs/{name}" for name in told["$defs"]}


def _references(told: Any) -> list[str]:
    if isinstance(told, dict):
        here = [told["$ref"]] if isinstance(told.get("$ref"), str) else []
        return here + [ref for value in told.values() for ref in _references(value)]
    return [ref for one in told for ref in _references(one)] if isinstance(told, list) else []


def test_what_is_written_refers_to_nothing_that_is_not_there(tmp_path: Path) -> None:
    files = {path.name for path in write(tmp_path, "lab")}
    document = json.loads((tmp_path / asyncapi.DOCUMENT).read_text())
    assert document["channels"]["events"]["address"] == "lab.events"
    messages = document["components"]["messages"]
    assert {f"{name}.json" for name in messages} | {asyncapi.DOCUMENT} == files
    for reference in _references(document):
        if reference.startswith("./"):
            assert reference[2:] in files
        else:
            at: Any = document
            for part in reference.removeprefix("#/").split("/"):
                at = at[part]


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("vm.started.v1.json", ("vm.started", 1)),
        ("vm.started.v0.json", None),
        ("../vm.started.v1.json", None),
        ("vm.started.json", None),
    ],
)
def test_names_of_schemas(name: str, named: tuple[str, int] | None) -> None:
    assert schemas.parsed(name) == named
    assert named is None or schemas.name_of(*named) == name
