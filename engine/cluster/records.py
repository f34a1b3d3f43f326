"""A row of the log as a record of Kafka, and back: what was published is exactly what was stored.

The value is the row's own bytes, so that a log rebuilt from Kafka alone is the same log, and its
seals hold. All else is in headers, as CloudEvents 1.0 puts it for Kafka's binary mode. Records of
one stream share a key, and so a partition and an order. `ce_previous` names the row before in the
whole log: with it a reader merges the partitions and knows that nothing is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

import msgspec
from aiokafka.partitioner import murmur2

from engine.log.errors import Unreadable
from engine.log.unit import Stored

Header = tuple[str, bytes]
_SPEC = ("ce_specversion", b"1.0")
_JSON = ("content-type", b"application/json")
KNOWN_STREAMS = 65_536


class Record(NamedTuple):
    """What is handed to a producer."""

    key: bytes
    value: bytes
    timestamp_ms: int
    headers: list[Header]


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
    stream, version = str(row.stream), row.version
    return Record(
        stream.encode(),
        row.state,
        head.at,
        [
            _SPEC,
            ("ce_id", f"{stream}/{version}".encode()),
            ("ce_source", source.encode()),
            ("ce_type", row.topic.encode()),
            ("ce_subject", stream.encode()),
            ("ce_time", _time(head.at)),
            ("ce_dataschema", dataschema(row.topic, head.v).encode()),
            _JSON,
            ("ce_position", b"%d" % row.position),
            ("ce_previous", b"%d" % previous),
            ("ce_version", b"%d" % version),
        ],
    )


def placed(key: bytes | None, value: bytes | None, headers: Sequence[Header]) -> Placed:
    """The row in a record. `Unreadable` says what the record lacks."""
    told: Mapping[str, bytes] = dict(headers)
    try:
        if key is None or value is None:
            raise Unreadable("a record of Kafka without key or value is no event of a log")
        row = Stored(
            int(told["ce_position"]),
            UUID(key.decode()),
            int(told["ce_version"]),
            told["ce_type"].decode(),
            value,
        )
        return Placed(row, int(told["ce_previous"]))
    except KeyError as lacking:
        raise Unreadable(f"a record of Kafka lacks the header {lacking}: {key!r}") from lacking
    except ValueError as wrong:
        raise Unreadable(f"a record of Kafka is no event of a log ({wrong}): {key!r}") from wrong


def dataschema(topic: str, shape: int) -> str:
    """Which schema the value keeps to."""
    return f"sagastack:/schemas/{topic}.v{shape}.json"


@lru_cache(KNOWN_STREAMS)
def partition(stream: UUID, partitions: int) -> int:
    """Where a stream's records lie: as every client of Kafka places a record with this key."""
    return int(murmur2(str(stream).encode()) & 0x7FFFFFFF) % partitions


@lru_cache(256)
def _time(at_ms: int) -> bytes:
    """RFC 3339, in UTC. Rows of one commit share their time."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()
