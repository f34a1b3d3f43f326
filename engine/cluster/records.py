"""A row of the log as a record of Kafka, and back: what was published is exactly what was stored.

The value is the row's own bytes, so that a log rebuilt from Kafka alone is the same log, and its
seals hold. All else is in headers, as CloudEvents 1.0 puts it for Kafka's binary mode. Records of
one stream share a key, and so a partition and an order. `ce_previous` names the row before in the
whole log: with it a reader merges the partitions and knows that nothing is missing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple, Protocol
from uuid import UUID

import msgspec

from aggregates.ids import text_of
from engine.log.errors import Unreadable
from engine.log.unit import Stored
from engine.schemas import uri_of

Header = tuple[str, bytes]
_READ = ("ce_type", "ce_subject", "ce_position", "ce_previous", "ce_version")
KNOWN_STREAMS = 65_536


class Record(msgspec.Struct, frozen=True):
    """What is handed to a producer."""

    key: bytes
    value: bytes
    timestamp_ms: int
    headers: list[Header]


class Consumed(Protocol):
    """What a consumer gives."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[Header]: ...


class Placed(NamedTuple):
    """A row that came from Kafka, and the position of the row before it; 0 for the first."""

    row: Stored
    previous: int


class _Head(msgspec.Struct):
    """What is told of a row without decoding its event."""

    at: int
    v: int = 1


_head = msgspec.json.Decoder(_Head).decode


def record(row: Stored, previous: int, source: str) -> Record:
    """The record of a row. `previous` is the position before it, `source` names the cloud."""
    head = _head(row.state)
    key = text_of(row.stream)
    return Record(
        key,
        row.state,
        head.at,
        [
            *_common(row.topic, head.v, source),
            ("ce_id", b"%b/%d" % (key, row.version)),
            ("ce_subject", key),
            ("ce_time", _time(head.at)),
            ("ce_position", b"%d" % row.position),
            ("ce_previous", b"%d" % previous),
            ("ce_version", b"%d" % row.version),
        ],
    )


def placed(key: bytes | None, value: bytes | None, headers: Sequence[Header]) -> Placed:
    """The row in a record. `Unreadable` says what the record lacks."""
    told = dict(headers)
    if key is None or value is None:
        raise Unreadable("a record of Kafka without key or value is no event of a log")
    try:
        if told["ce_subject"] != key:
            raise Unreadable(f"a record with a key other than ce_subject is no event: {key!r}")
        row = Stored(
            int(told["ce_position"]),
            _stream(key),
            int(told["ce_version"]),
            _text(told["ce_type"]),
            value,
        )
        return Placed(row, int(told["ce_previous"]))
    except KeyError as lacking:
        raise Unreadable(f"a record of Kafka lacks the header {lacking}: {key!r}") from lacking
    except ValueError as wrong:
        raise Unreadable(f"a record of Kafka is no event of a log ({wrong}): {key!r}") from wrong


def all_placed(records: Sequence[Consumed]) -> Iterator[tuple[Stored, int]]:
    """`placed` for many, at less than half its cost where headers stand as `record` puts them."""
    for one in records:
        key, value = one.key, one.value
        try:
            _, _, (a, kind), _, _, _, (b, subject), _, (c, at), (d, previous), (e, version) = (
                one.headers
            )
            if subject != key or value is None or (a, b, c, d, e) != _READ:
                raise ValueError
            row = Stored(int(at), _stream(subject), int(version), _text(kind), value)
            found = row, int(previous)
        except ValueError:
            found = placed(key, value, one.headers)
        yield found


@lru_cache(KNOWN_STREAMS)
def partition(key: bytes, partitions: int) -> int:
    """Where the records with a stream's key lie: as every client of Kafka places them.

    That is murmur2 (Appleby) of the key, which here has nine whole words.
    """
    found = 0x9747B28C ^ 36
    for word in struct.unpack("<9I", key):
        word = word * 0x5BD1E995 & 0xFFFFFFFF
        word = (word ^ word >> 24) * 0x5BD1E995 & 0xFFFFFFFF
        found = (found * 0x5BD1E995 & 0xFFFFFFFF) ^ word
    found = (found ^ found >> 13) * 0x5BD1E995 & 0xFFFFFFFF
    return ((found ^ found >> 15) & 0x7FFFFFFF) % partitions


@lru_cache(4_096)
def _common(topic: str, shape: int, source: str) -> tuple[Header, ...]:
    """The headers that all events of one shape share."""
    return (
        ("ce_specversion", b"1.0"),
        ("ce_source", source.encode()),
        ("ce_type", topic.encode()),
        ("ce_dataschema", uri_of(topic, shape).encode()),
        ("content-type", b"application/json"),
    )


@lru_cache(KNOWN_STREAMS)
def _stream(key: bytes) -> UUID:
    return UUID(key.decode())


@lru_cache(4_096)
def _text(value: bytes) -> str:
    return value.decode()


@lru_cache(256)
def _time(at_ms: int) -> bytes:
    """RFC 3339, in UTC. Rows of one commit share their time."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()
