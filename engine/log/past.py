"""A long past is decoded as one text: the store joins many rows, and one call makes all events.

Row by row, reading and decoding cost twice as much. A row in the text is its state with the other
columns spliced in before it: `{"t":topic,"p":position,"s":stream,"n":version,"at":…,"d":{…}}`.

Most promises of a ledger are over before the past is, and of those no id is ever looked at: so the
ids in such events stay the texts that they are (`Event.TEXT_IDS`). To make an id takes longer than
to read the rest of the row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, reduce
from operator import or_
from typing import Any, Literal, cast
from uuid import UUID

import msgspec

from aggregates.base import EVENTS, Event, Recorded
from engine.log import codec
from engine.log.errors import DAMAGED
from engine.log.unit import Stored


class Row(msgspec.Struct, gc=False, tag_field="t", rename={"at_ms": "at", "action": "do"}):
    """To folds it is a `Recorded`."""

    position: int = msgspec.field(name="p")
    stream: UUID = msgspec.field(name="s")
    version: int = msgspec.field(name="n")
    at_ms: int
    action: str = ""


class Asked(Row):
    """A row of a job: who asked for it is read of nearly every one."""

    user: UUID | None = msgspec.field(default=None, name="by")
    account: UUID | None = msgspec.field(default=None, name="acct")


class Other(Row):
    """Any other row: who asked is read of few, so an id is made only there."""

    by: str | None = None
    acct: str | None = None

    @property
    def user(self) -> UUID | None:
        return None if self.by is None else UUID(self.by)

    @property
    def account(self) -> UUID | None:
        return None if self.acct is None else UUID(self.acct)


def join(rows: Iterable[Stored]) -> bytes:
    """The text of some rows; a store that can make it by itself spares their being made."""
    one = b'{"t":"%s","p":%d,"s":"%s","n":%d,%s'
    return b"[%s]" % b",".join(
        one % (topic.encode(), position, stream.hex.encode(), version, state[1:])
        for position, stream, version, topic, state in rows
    )


def events(text: bytes) -> list[Recorded] | None:
    """The events of the text for folds, in order; None if there is one that is to be looked at.

    Rows of older shapes are lifted one by one, which only a past that has some pays for.
    """
    try:
        return cast(list[Recorded], _decoder(len(EVENTS), False)(text))
    except DAMAGED:
        pass
    try:
        found = _decoder(len(EVENTS), True)(text)
        for one in found:
            if type(one.event) is msgspec.Raw:
                one.event = _lifted(one)
    except DAMAGED:
        return None
    return cast(list[Recorded], found)


def _lifted(one: Any) -> Event:
    kind = EVENTS[type(one).__struct_config__.tag]
    return codec.lift(kind, one.v, one.event, one.position)


@cache
def _decoder(_: int, older: bool) -> Callable[[bytes], list[Any]]:
    """What decodes a text. Without `older`, only events of present shapes are in it."""
    forms = [_form(kind, older and kind.VERSION > 1) for kind in EVENTS.values()]
    any_of: Any = reduce(or_, forms)
    return msgspec.json.Decoder(list[any_of]).decode


def _form(kind: type[Event], older: bool) -> type[Row]:
    plain = _with_texts(kind) if kind.TEXT_IDS else kind
    fields: list[Any] = [("event", msgspec.Raw if older else plain, msgspec.field(name="d"))]
    if older:
        fields.append(("v", int, 1))
    elif kind.VERSION > 1:
        fields.append(("v", Literal[kind.VERSION]))
    else:
        fields.append(("v", Literal[1], 1))
    base = Asked if kind.KIND == "saga" else Other
    made = msgspec.defstruct("Past", fields, bases=(base,), tag=kind.TOPIC, gc=False, kw_only=True)
    return cast(type[Row], made)


def _with_texts(kind: type[Event]) -> type[Event]:
    """The same event, but that its ids are texts. To folds of a past it is that event."""
    fields = [
        (one.name, str if one.type is UUID else one.type) for one in msgspec.structs.fields(kind)
    ]
    made = cast(
        type[Event],
        msgspec.defstruct(
            kind.__name__, fields, bases=(Event,), frozen=True, kw_only=True, gc=False
        ),
    )
    made.TOPIC, made.KIND, made.VERSION = kind.TOPIC, kind.KIND, kind.VERSION
    return made
