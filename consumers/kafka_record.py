"""A record of `<prefix>.events` as an event: the stored JSON in the value, the rest in headers.

Headers are those of CloudEvents 1.0 in Kafka's binary mode, with `ce_position`, `ce_previous` (the
position of the event before it in the whole log, 0 for the first) and `ce_version`.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from consumers.errors import Unreadable
from consumers.event import Event, make


class _State(msgspec.Struct):
    """What a record's value is; what is empty is left out of it."""

    at: int
    d: msgspec.Raw
    v: int = 1
    by: UUID | None = None
    acct: UUID | None = None
    saga: UUID | None = None
    do: str = ""


_decode = msgspec.json.Decoder(_State).decode


class Row(msgspec.Struct, frozen=True):
    """A record that is not decoded yet: enough to bring records of many partitions in order."""

    position: int
    previous: int
    partition: int
    offset: int
    topic: str
    record: Any


def row(record: Any) -> Row:
    """The place of a record in the log, from its headers."""
    headers = dict(record.headers)
    try:
        return Row(
            int(headers["ce_position"]),
            int(headers["ce_previous"]),
            record.partition,
            record.offset,
            headers["ce_type"].decode(),
            record,
        )
    except (KeyError, ValueError) as wrong:
        raise Unreadable(f"{_where(record)} has not the headers of an event: {wrong!r}") from wrong


def event(one: Row) -> Event:
    """The event in a record."""
    record = one.record
    try:
        state = _decode(record.value)
        return make(
            position=one.position,
            stream=UUID(record.key.decode()),
            version=int(dict(record.headers)["ce_version"]),
            topic=one.topic,
            at_ms=state.at,
            shape=state.v,
            fields=state.d,
            user=state.by,
            account=state.acct,
            saga=state.saga,
            action=state.do,
            partition=one.partition,
        )
    except (msgspec.MsgspecError, KeyError, ValueError, AttributeError, TypeError) as wrong:
        raise Unreadable(f"{_where(record)} cannot be read as an event: {wrong}") from wrong


def _where(record: Any) -> str:
    return f"offset {record.offset} of partition {record.partition} of {record.topic}"
