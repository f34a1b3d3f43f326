"""What each event looks like as JSON, told to those who read the log without our code.

One JSON Schema (draft 2020-12) for each topic and shape, made from the class that writes the event:
of the whole value of a row, envelope and fields. A schema that was ever published stays: when a
topic gets a new shape, `python -m tests.golden` puts the schema of the old one into
`past_schemas.jsonl`, as old rows keep the shape in which they were written.
"""

from __future__ import annotations

import inspect
import re
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from aggregates.base import EVENTS, Event
from aggregates.record import RECORDS

Schema = dict[str, Any]

PAST = Path(__file__).resolve().parent / "past_schemas.jsonl"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_UUID = {"type": "string", "format": "uuid"}
ENVELOPE: Schema = {
    "at": {"type": "integer", "description": "when: milliseconds since 1970 UTC, never falling"},
    "by": {**_UUID, "description": "the user who asked, where one did"},
    "acct": {**_UUID, "description": "the account that this user acted for"},
    "saga": {**_UUID, "description": "the job that wrote it, where one did"},
    "do": {"type": "string", "description": "what was asked for: on the first of its events"},
}
_NAME = re.compile(r"(?P<topic>[a-z0-9_]+\.[a-z0-9_]+)\.v(?P<shape>[1-9][0-9]*)\.json")


def name_of(topic: str, shape: int) -> str:
    """The file of a schema, below `/schemas/` of every controller."""
    return f"{topic}.v{shape}.json"


def uri_of(topic: str, shape: int) -> str:
    """What an event names as its `dataschema`, and the schema as its own `$id`.

    CloudEvents asks for an absolute URI, and a cloud does not know under which names it will be
    reached. So the scheme is ours; the path is the one that every controller serves.
    """
    return f"sagastack:/schemas/{name_of(topic, shape)}"


def parsed(name: str) -> tuple[str, int] | None:
    """Topic and shape from a file's name; None where it is no such name."""
    found = _NAME.fullmatch(name)
    return (found["topic"], int(found["shape"])) if found else None


def schema(topic: str, shape: int) -> Schema | None:
    """The schema of one shape of a topic; None where there never was one."""
    kind = EVENTS.get(topic)
    if kind is not None and kind.VERSION == shape:
        return of_class(kind)
    return past().get((topic, shape))


def schemas() -> dict[tuple[str, int], Schema]:
    """Every schema, of the past and of now, by topic and shape."""
    now = {(topic, kind.VERSION): of_class(kind) for topic, kind in EVENTS.items()}
    return dict(sorted((past() | now).items()))


@cache
def past() -> dict[tuple[str, int], Schema]:
    """The schemas of shapes that are no longer written."""
    return read_lines(PAST.read_text())


def read_lines(text: str) -> dict[tuple[str, int], Schema]:
    """Schemas from lines of JSON, each under the topic and the shape in its `$id`."""
    found = {}
    for line in text.splitlines():
        one: Schema = msgspec.json.decode(line)
        named = parsed(one["$id"].rpartition("/")[2])
        if named is None:
            raise ValueError(f"{one['$id']} is no name of a schema of ours")
        found[named] = one
    return found


def as_lines(many: dict[tuple[str, int], Schema]) -> str:
    """What `read_lines` reads: a line for each schema, in the order of topics and shapes."""
    return "".join(msgspec.json.encode(many[key]).decode() + "\n" for key in sorted(many))


def of_class(kind: type[Event]) -> Schema:
    """The schema of the value that `engine.log.codec` writes for events of this class."""
    fields = msgspec.json.schema(kind)
    defs: Schema = fields["$defs"]
    name = fields["$ref"].rpartition("/")[2]
    record = RECORDS.get(kind.KIND)
    if record is not None and record.updated is kind:
        _tell_what_changes(defs, name, record.created)
    told = _cleaned(defs)
    about = told[name].pop("description", "")
    version = {"v": {"const": kind.VERSION, "description": "the shape of `d`; 1 when left out"}}
    return {
        "$schema": DIALECT,
        "$id": uri_of(kind.TOPIC, kind.VERSION),
        "title": kind.TOPIC,
        **({"description": about} if about else {}),
        "type": "object",
        "properties": version | ENVELOPE | {"d": fields_ref(name)},
        "required": ["v", "at", "d"] if kind.VERSION > 1 else ["at", "d"],
        "$defs": told,
    }


def fields_ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}", "description": "the fields of the event"}


def _tell_what_changes(defs: Schema, name: str, created: type[Event]) -> None:
    """Changes of a data noun name any of the fields with which it was created."""
    made = msgspec.json.schema(created)["$defs"]
    whole = made.pop(created.__name__)
    properties = {
        field: {key: value for key, value in told.items() if key != "default"}
        for field, told in whole["properties"].items()
    }
    defs[name]["properties"]["changed"] = {
        "type": "object",
        "description": "the fields that are other than before, with their new values",
        "minProperties": 1,
        "properties": properties,
    }
    defs.update(made)


def _cleaned(told: Any) -> Any:
    """Docstrings without the indentation that they have in the source."""
    if isinstance(told, dict):
        return {
            key: inspect.cleandoc(value)
            if key == "description" and isinstance(value, str)
            else _cleaned(value)
            for key, value in told.items()
        }
    return [_cleaned(one) for one in told] if isinstance(told, list) else told
