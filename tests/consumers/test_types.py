"""Data is typed where this program knows the shape, and plain where the cloud is newer."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from aggregates.base import EVENTS
from consumers import FileCheckpoint, types
from consumers.event import make
from consumers.signing import signed
from tests.api.signing import sign

STREAM = UUID(int=7)


def one(topic: str, fields: bytes, shape: int = 1) -> object:
    return make(
        position=3, stream=STREAM, version=2, topic=topic, at_ms=1_500, shape=shape,
        fields=fields, user=None, account=None, saga=None, action="", partition=0,
    ).data  # fmt: skip


def test_a_known_event_is_of_its_class() -> None:
    kind = types.known()["pod.removed"]
    assert kind is EVENTS["pod.removed"]
    assert one("pod.removed", b"{}") == kind()


@pytest.mark.parametrize(
    ("topic", "fields", "shape"),
    [
        ("moonbase.opened", b'{"crew": 3}', 1),
        ("pod.removed", b'{"crew": 3}', 9),
        ("pod.created", b'{"crew": 3}', 1),
    ],
    ids=["an unknown topic", "a newer shape", "a shape that does not fit"],
)
def test_what_is_newer_than_this_program_is_plain(topic: str, fields: bytes, shape: int) -> None:
    assert one(topic, fields, shape) == {"crew": 3}


def test_an_old_shape_is_lifted(monkeypatch: pytest.MonkeyPatch) -> None:
    class Grown(msgspec.Struct, frozen=True):
        VERSION = 3
        UPCASTS = {1: lambda old: old | {"b": 2}, 2: lambda old: old | {"c": old["b"] + 1}}
        a: int
        b: int
        c: int

    monkeypatch.setitem(types.known(), "toy.grown", Grown)
    assert one("toy.grown", b'{"a": 1}', 1) == Grown(a=1, b=2, c=3)
    assert one("toy.grown", b'{"a": 1, "b": 5}', 2) == Grown(a=1, b=5, c=6)


def test_an_event_tells_its_id_noun_and_fields() -> None:
    event = make(
        position=3, stream=STREAM, version=2, topic="moonbase.opened", at_ms=1_500, shape=1,
        fields=b'{"crew": 3}', user=None, account=None, saga=None, action="", partition=0,
    )  # fmt: skip
    assert event.id == f"{STREAM}/2"
    assert event.noun == "moonbase"
    assert event.fields == {"crew": 3}
    assert event.at.isoformat() == "1970-01-01T00:00:01.500000+00:00"


def test_a_position_in_a_file_outlives_its_writer(tmp_path: Path) -> None:
    path = tmp_path / "place"

    async def twice() -> list[int]:
        first = await FileCheckpoint(path).load()
        await FileCheckpoint(path).save(41)
        await FileCheckpoint(path).save(42)
        return [first, await FileCheckpoint(path).load()]

    assert asyncio.run(twice()) == [0, 42]
    assert [found.name for found in tmp_path.iterdir()] == ["place"]


def test_requests_are_signed_as_the_guide_says() -> None:
    query = signed({"after": "12", "name": "a b~c*"}, "Key", "secret")
    given = {name: value for name, value in query.items() if name != "signature"}
    assert query["signature"] == sign(given, "secret")
