"""A row comes back from its record as it was, and the headers are those of CloudEvents 1.0."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import pytest
from aiokafka.partitioner import DefaultPartitioner

from engine.cluster.records import Header, all_placed, partition, placed, record
from engine.log import Stored, Unreadable

STREAM = UUID("018f2b6c-0000-7000-8000-000000000001")
STATE = '{"v":2,"at":1767225600123,"do":"VM.CREATE","d":{"name":"übung"}}'.encode()
ROW = Stored(17, STREAM, 3, "vm.started", STATE)


def test_a_row_comes_back_byte_for_byte() -> None:
    made = record(ROW, 12, "/sagastack/one")
    assert placed(made.key, made.value, made.headers) == (ROW, 12)


def test_the_headers_say_all_that_the_value_does_not() -> None:
    made = record(ROW, 12, "/sagastack/one")
    assert (made.key, made.timestamp_ms) == (str(STREAM).encode(), 1_767_225_600_123)
    assert dict(made.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": f"{STREAM}/3".encode(),
        "ce_source": b"/sagastack/one",
        "ce_type": b"vm.started",
        "ce_subject": str(STREAM).encode(),
        "ce_time": b"2026-01-01T00:00:00.123Z",
        "ce_dataschema": b"sagastack:/schemas/vm.started.v2.json",
        "content-type": b"application/json",
        "ce_position": b"17",
        "ce_previous": b"12",
        "ce_version": b"3",
    }


def test_a_shape_that_is_not_told_is_the_first() -> None:
    made = record(ROW._replace(state=b'{"at":1,"d":{}}'), 0, "/sagastack/one")
    assert dict(made.headers)["ce_dataschema"].endswith(b"vm.started.v1.json")


@pytest.mark.parametrize("lost", ["ce_position", "ce_previous", "ce_version", "ce_type"])
def test_a_record_without_a_header_is_told_by_its_name(lost: str) -> None:
    made = record(ROW, 12, "/sagastack/one")
    with pytest.raises(Unreadable, match=lost):
        placed(made.key, made.value, [one for one in made.headers if one[0] != lost])


def test_a_record_of_somebody_else_is_no_event() -> None:
    made = record(ROW, 12, "/sagastack/one")
    with pytest.raises(Unreadable, match="no event"):
        placed(b"order-17", made.value, made.headers)
    with pytest.raises(Unreadable, match="without key or value"):
        placed(made.key, None, made.headers)


def test_a_stream_lies_where_any_client_of_kafka_looks_for_it() -> None:
    for number in range(200):
        stream = UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC834 % 2**128)
        key = str(stream).encode()
        assert partition(key, 12) == DefaultPartitioner()(key, list(range(12)), [])


@dataclass(frozen=True)
class Consumed:
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]


def test_many_records_are_read_as_each_is_wherever_its_headers_stand() -> None:
    made = record(ROW, 12, "/sagastack/one")
    as_put = Consumed(made.key, made.value, tuple(made.headers))
    turned = Consumed(made.key, made.value, tuple(reversed(made.headers)))
    more = Consumed(made.key, made.value, (*made.headers, ("traceparent", b"00-1")))
    assert list(all_placed([as_put, turned, more])) == [(ROW, 12)] * 3
    for spoilt in (
        Consumed(made.key, None, as_put.headers),
        Consumed(b"other", made.value, as_put.headers),
        Consumed(made.key, made.value, as_put.headers[:-1]),
        Consumed(made.key, made.value, (*as_put.headers[:-1], ("ce_version", b"x"))),
    ):
        with pytest.raises(Unreadable):
            list(all_placed([as_put, spoilt]))
