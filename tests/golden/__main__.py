"""What must not drift, written down: `python -m tests.golden` writes it, `--check` compares.

events.txt           every event: topic and shape, and each field; only ever grows
listapis.json        every command: its parameters and the fields of its answer
openapi.json         the document that the server publishes
uncovered_authz.txt  ids that no rule guards: must be empty
sagas.txt            every saga: its steps in order, each with its undo or the reason for none

docs/events/         what is published: a JSON Schema on a line for each topic and shape, AsyncAPI
engine/past_schemas  the schemas of shapes that were published once and are no longer written

They are made in a process of their own, because tests register toys beside the real things.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_type_hints

import orjson
from msgspec import Struct

from aggregates.base import EVENTS, Event
from api.authz import uncovered
from api.declare import REGISTRY, Spec
from api.fields import Field
from api.listapis import SHARED, param_type, word_of
from api.openapi import document
from engine import asyncapi, schemas
from engine.saga import SAGAS, Saga, Step
from sagastack.boot import load_nouns

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
PUBLISHED = "docs/events/schemas.jsonl"
SHOWN_LINES = 40
PRETTY = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
SORTED = PRETTY | orjson.OPT_SORT_KEYS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, say what differs")
    check = parser.parse_args().check
    load_nouns()
    made = {
        "events.txt": events(),
        "listapis.json": orjson.dumps(commands(), option=SORTED).decode(),
        "openapi.json": orjson.dumps(document("0"), option=SORTED).decode(),
        "uncovered_authz.txt": "".join(f"{gap}\n" for gap in sorted(uncovered())),
        "sagas.txt": "".join(saga_text(saga) for _, saga in sorted(SAGAS.items())),
        **published(),
    }
    differing = [name for name, text in made.items() if differs(name, text, check=check)]
    if check and differing:
        print("run `make golden` and review what changed: " + ", ".join(differing))
    return 1 if check and differing else 0


def differs(name: str, text: str, *, check: bool) -> bool:
    path = (FOLDER if "/" not in name else ROOT) / name
    before = path.read_text() if path.exists() else ""
    if path.exists() and before == text:
        return False
    if check:
        lines = list(
            difflib.unified_diff(before.splitlines(), text.splitlines(), name, "now", lineterm="")
        )
        print("\n".join([*lines[:SHOWN_LINES], f"... {len(lines)} lines in all"]))
    else:
        path.write_text(text)
        print(f"wrote {name}")
    return True


def events() -> str:
    """One line an event and one a field, and all lines of shapes that are history."""
    path = FOLDER / "events.txt"
    known = path.read_text().splitlines() if path.exists() else []
    now = [line for kind in EVENTS.values() for line in event_lines(kind)]
    present = {topic: kind.VERSION for topic, kind in EVENTS.items()}
    past = [line for line in known if _shape(line) < present.get(_topic(line), 1)]
    return "".join(f"{line}\n" for line in sorted({*now, *past}))


def event_lines(kind: type[Event]) -> list[str]:
    if not kind.__module__.startswith("aggregates."):
        return []
    name = f"{kind.TOPIC}:{kind.VERSION}"
    hints = get_type_hints(kind)
    lines = [name]
    for field in kind.__struct_fields__:
        lines.append(f"{name} {field} {type_text(hints[field])}")
        lines += [f"{name} {field}{part}" for part in parts(hints[field])]
    return lines


def parts(hint: Any) -> Iterator[str]:
    """What is inside a field and lies in the log as well: values of an enum, fields of a struct."""
    for inner in get_args(hint):
        yield from parts(inner)
    if isinstance(hint, type) and issubclass(hint, Enum):
        yield from (f" = {member.value}" for member in hint)
    elif isinstance(hint, type) and issubclass(hint, Struct):
        hints = get_type_hints(hint)
        for name in hint.__struct_fields__:
            yield f".{name} {type_text(hints[name])}"
            yield from (f".{name}{part}" for part in parts(hints[name]))


def _topic(line: str) -> str:
    return line.partition(" ")[0].partition(":")[0]


def _shape(line: str) -> int:
    return int(line.partition(" ")[0].partition(":")[2])


def type_text(hint: Any) -> str:
    """A type as it is written, without the names of its modules."""
    text = hint.__name__ if isinstance(hint, type) and not hasattr(hint, "__args__") else str(hint)
    words = text.replace("[", "[ ").replace("]", " ]").replace(",", " ,").split()
    short = " ".join(word.rpartition(".")[2] for word in words)
    return (
        short.replace("[ ", "[").replace(" ]", "]").replace(" ,", ",").replace("NoneType", "None")
    )


def published() -> dict[str, str]:
    """The schemas of events. One that the code no longer makes was published: it is kept."""
    path = ROOT / PUBLISHED
    known = schemas.read_lines(path.read_text()) if path.exists() else {}
    past = schemas.past() | {
        (topic, shape): told
        for (topic, shape), told in known.items()
        if topic not in EVENTS or shape < EVENTS[topic].VERSION
    }
    whole = dict(sorted((schemas.schemas() | past).items()))
    told = asyncapi.document(published=whole)
    return {
        schemas.PAST.relative_to(ROOT).as_posix(): schemas.as_lines(past),
        PUBLISHED: schemas.as_lines(whole),
        "docs/events/asyncapi.json": orjson.dumps(told, option=PRETTY).decode(),
    }


def commands() -> dict[str, Any]:
    """Every command, without the sentences: those may be improved at any time."""
    return {name: command(spec) for name, spec in REGISTRY.items()}


def command(spec: Spec) -> dict[str, Any]:
    params = {one.wire: param_type(one) + ("!" if one.required else "") for one in spec.params}
    if not spec.reads:
        params |= {shared.name: shared.type for shared in SHARED}
    return {
        "allow": spec.allow,
        "async": spec.is_async,
        "params": params,
        "response": {field.wire: answer(field) for field in spec.returns.FIELDS},
    }


def answer(field: Field) -> Any:
    """The type of a field of an answer, or the fields within it."""
    inner = getattr(field.of, "FIELDS", None)
    if inner is None:
        return word_of(field)
    return {one.wire: word_of(one) for one in inner}


def saga_text(saga: Saga[Any]) -> str:
    told = f"{saga.name} of {saga.subject}" + (", forward only" if saga.forward_only else "")
    return "".join([f"{told}\n", *(f"  {step_text(step)}\n" for step in saga.steps), "\n"])


def step_text(step: Step[Any, Any]) -> str:
    what = "decides" if step.decides else "touches the world"
    if step.undo_do is not None:
        return f"{step.name}: {what}; undo {step.undo_do.__name__}"
    return f"{step.name}: {what}" + (f"; no undo: {step.no_undo}" if step.no_undo else "")


if __name__ == "__main__":
    sys.exit(main())
