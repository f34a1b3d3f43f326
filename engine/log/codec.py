"""Events become rows of JSON and come back as the same events; nothing else may know the format.

A row's state is `{"v":2,"at":ms,"by":…,"acct":…,"saga":…,"do":…,"d":{fields}}`. `v` is left out
while it is 1, the others while they are empty. The envelope is common to a unit, so it is built
once and spliced before each event's own JSON.

What is encoded is decoded again before it is accepted. So an event that could not be read back
never enters the log, and the live folds see exactly what a replay will see.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from aggregates.base import EVENTS, Event, Recorded
from engine.log.errors import DAMAGED, Unreadable
from engine.log.unit import Stored, Unit


class Envelope(msgspec.Struct):
    """The part of a row that is the same for every topic."""

    at: int
    d: msgspec.Raw
    v: int = 1
    by: UUID | None = None
    acct: UUID | None = None
    saga: UUID | None = None
    do: str = ""


class At(msgspec.Struct):
    """Only the time of a row, for the search by time."""

    at: int


class Encoded(NamedTuple):
    """An event ready for the store, beside the event that a replay will make of it."""

    topic: str
    state: bytes
    event: Event


_encode = msgspec.json.Encoder().encode
_envelope = msgspec.json.Decoder(Envelope).decode
_at = msgspec.json.Decoder(At).decode
_decoders: dict[type[Event], msgspec.json.Decoder[Event]] = {}


def _decoder(kind: type[Event]) -> msgspec.json.Decoder[Event]:
    found = _decoders.get(kind)
    if found is None:
        found = _decoders[kind] = msgspec.json.Decoder(kind)
    return found


def encode(unit: Unit, at_ms: int) -> list[list[Encoded]]:
    """The unit's events append by append. ValueError names the event that cannot be kept."""
    common = _common(unit, at_ms)
    do = b'"do":' + _encode(unit.action) + b"," if unit.action else b""
    encoded = []
    for append in unit.appends:
        rows = []
        for event in append.events:
            rows.append(_encode_event(event, common, do))
            do = b""
        encoded.append(rows)
    return encoded


def _common(unit: Unit, at_ms: int) -> bytes:
    parts = [b'"at":%d,' % at_ms]
    for name, value in ((b"by", unit.user), (b"acct", unit.account), (b"saga", unit.saga)):
        if value is not None:
            parts.append(b'"%s":%s,' % (name, _encode(value)))
    return b"".join(parts)


def _encode_event(event: Event, common: bytes, do: bytes) -> Encoded:
    kind = type(event)
    if EVENTS.get(kind.TOPIC) is not kind:
        raise ValueError(f"{kind.__name__} is no registered event: give it @event(topic)")
    fields = _encode(event)
    try:
        again = _decoder(kind).decode(fields)
    except msgspec.ValidationError as wrong:
        raise ValueError(f"{kind.TOPIC} could not be read back: {wrong}") from wrong
    version = b'"v":%d,' % kind.VERSION if kind.VERSION != 1 else b""
    return Encoded(kind.TOPIC, b'{%s%s%s"d":%s}' % (version, common, do, fields), again)


def decode(row: Stored) -> Recorded:
    """The event in a row, lifted to the present shape of its topic."""
    try:
        envelope = _envelope(row.state)
        kind = EVENTS.get(row.topic)
        if kind is None:
            raise Unreadable(
                f"position {row.position}: nothing here knows the topic {row.topic!r}: if a newer "
                "release wrote it, use that one; `sagastack upgrade --check` tells all there is"
            )
        event = lift(kind, envelope.v, envelope.d, row.position)
    except DAMAGED as wrong:
        raise Unreadable(
            f"position {row.position} ({row.topic}, version {row.version} of {row.stream}) "
            f"cannot be read: {wrong}"
        ) from wrong
    return Recorded(
        position=row.position,
        stream=row.stream,
        version=row.version,
        at_ms=envelope.at,
        user=envelope.by,
        account=envelope.acct,
        saga=envelope.saga,
        action=envelope.do,
        event=event,
    )


def decode_all(rows: Sequence[Stored]) -> list[Recorded]:
    return [decode(row) for row in rows]


def envelope(row: Stored) -> Envelope:
    """What a row says beside its event, whichever release wrote that."""
    try:
        return _envelope(row.state)
    except DAMAGED as wrong:
        raise Unreadable(f"position {row.position} ({row.topic}) is no event: {wrong}") from wrong


def at_ms(row: Stored) -> int:
    """When a row was recorded, without decoding its event."""
    return _at(row.state).at


def lift(kind: type[Event], version: int, fields: msgspec.Raw, position: int) -> Event:
    """The event in stored fields, which are lifted one shape at a time up to the present one."""
    if version == kind.VERSION:
        return _decoder(kind).decode(fields)
    if version > kind.VERSION:
        raise Unreadable(
            f"position {position}: {kind.TOPIC} has shape {version}, this release knows "
            f"{kind.VERSION}; start the newer release"
        )
    lifted: dict[str, Any] = msgspec.json.decode(fields)
    for older in range(version, kind.VERSION):
        lifted = kind.UPCASTS[older](lifted)
    return _decoder(kind).decode(_encode(lifted))
