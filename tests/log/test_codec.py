"""Stored samples of old shapes are read for ever, and what cannot be read says where it lies."""

from __future__ import annotations

from uuid import UUID

import msgspec
import pytest

from engine.log import Append, Stored, Unit, Unreadable, codec
from tests.log.toys import Made, Sized

STREAM = UUID("6f1c0a52-4a4e-4a4e-8a4e-0c5d1f3b7a11")


def stored(topic: str, state: bytes) -> Stored:
    return Stored(17, STREAM, 1, topic, state)


@pytest.mark.parametrize(
    "state",
    [
        b'{"at":5,"d":{"memory":512}}',
        b'{"v":2,"at":5,"d":{"memory_mib":512}}',
        b'{"v":3,"at":5,"d":{"memory_mib":512,"cpu_count":1}}',
    ],
    ids=["version 1", "version 2", "version 3"],
)
def test_every_shape_that_was_ever_stored_is_lifted(state: bytes) -> None:
    assert codec.decode(stored("logtoy.sized", state)).event == Sized(memory_mib=512, cpu_count=1)


def test_the_state_holds_only_what_is_there() -> None:
    plain = codec.encode(Unit((Append(STREAM, 0, (Made(name="a"),)),)), 5)
    assert plain[0][0].state == b'{"at":5,"d":{"name":"a"}}'
    asked = Unit(
        (Append(STREAM, 0, (Sized(memory_mib=1, cpu_count=2), Made(name="a"))),),
        user=STREAM,
        account=STREAM,
        saga=STREAM,
        action="TOY.CREATE",
    )
    first, second = codec.encode(asked, 5)[0]
    who = f'"by":"{STREAM}","acct":"{STREAM}","saga":"{STREAM}"'
    fields = '"d":{"memory_mib":1,"cpu_count":2}'
    assert first.state.decode() == f'{{"v":3,"at":5,{who},"do":"TOY.CREATE",{fields}}}'
    assert second.state.decode() == f'{{"at":5,{who},"d":{{"name":"a"}}}}'
    assert msgspec.json.decode(first.state)["do"] == "TOY.CREATE"


@pytest.mark.parametrize(
    ("topic", "state", "said"),
    [
        ("logtoy.lost", b'{"at":5,"d":{}}', r"position 17.*'logtoy\.lost'"),
        ("logtoy.sized", b'{"v":4,"at":5,"d":{}}', r"position 17.*shape 4.*newer release"),
        ("logtoy.made", b'{"at":5,"d":{"name":7}}', r"position 17 \(logtoy\.made"),
        ("logtoy.made", b'{"at":5,"d":{"na', "position 17"),
        ("logtoy.made", b"", "position 17"),
        ("logtoy.made", b'{"at":5,"d":{"name":"\xb0"}}', r"position 17 \(logtoy\.made"),
    ],
    ids=["topic", "shape", "field", "cut", "empty", "no UTF-8"],
)
def test_what_cannot_be_read_is_named(topic: str, state: bytes, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        codec.decode(stored(topic, state))
