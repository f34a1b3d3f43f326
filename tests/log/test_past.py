"""A past that is decoded as one text says the same as its rows one by one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from aggregates.base import EVENTS, Recorded, fields_of
from benchmarks.cloud import load_nouns
from engine.log import Append, Log, Stored, Unit, codec, past
from engine.log import log as the_log
from engine.log.stores import open_store
from engine.log.unit import Selection
from tests.log import corpus
from tests.log.conftest import Clock
from tests.log.toys import Made, Sized

load_nouns()
STREAM = UUID("6f1c0a52-4a4e-4a4e-8a4e-0c5d1f3b7a11")


def told(one: Recorded) -> tuple[object, ...]:
    """What folds read of an event; ids may be told as texts."""
    happened: object = one.event
    if EVENTS[one.event.TOPIC].TEXT_IDS:
        happened = fields_of(one.event)
    whose = one.position, one.stream, one.version, one.at_ms, happened, one.action
    return (*whose, one.user, one.account)


async def past_of(log: Log, **asked: Any) -> list[tuple[object, ...]]:
    found = list[Recorded]()
    await log.fold_past(found.extend, **asked)
    return [told(one) for one in found]


def _joined(rows: list[Stored]) -> list[tuple[object, ...]]:
    found = past.events(past.join(rows))
    assert found is not None
    return [told(one) for one in found]


@pytest.mark.parametrize(
    "path", corpus.corpora(), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_what_earlier_releases_wrote_is_read_the_same(path: Path) -> None:
    rows = [row for row in corpus.read(path) if row.topic in EVENTS]
    assert _joined(rows) == [told(codec.decode(row)) for row in rows]


def test_every_shape_is_lifted() -> None:
    states = (
        b'{"at":5,"d":{"memory":512}}',
        b'{"v":2,"at":5,"d":{"memory_mib":512}}',
        b'{"v":3,"at":5,"d":{"memory_mib":512,"cpu_count":1}}',
    )
    rows = [Stored(17 + n, STREAM, n, "logtoy.sized", one) for n, one in enumerate(states)]
    assert _joined(rows) == [told(codec.decode(row)) for row in rows]
    assert {one[4] for one in _joined(rows)} == {Sized(memory_mib=512, cpu_count=1)}


@pytest.mark.parametrize(
    ("topic", "state"),
    [
        ("logtoy.lost", b'{"at":5,"d":{}}'),
        ("logtoy.made", b'{"v":2,"at":5,"d":{"name":"a"}}'),
        ("logtoy.made", b'{"at":5,"d":{"name":7}}'),
        ("logtoy.made", b'{"at":5,"d":{"name":"a"}'),
        ("logtoy.made", b""),
        ("logtoy.made", b'{"at":5,"d":{"name":"\xb0"}}'),
    ],
)
def test_what_cannot_be_read_is_left_to_who_can_say_why(topic: str, state: bytes) -> None:
    fine = Stored(1, STREAM, 1, "logtoy.made", b'{"at":5,"d":{"name":"a"}}')
    assert past.events(past.join([fine])) is not None
    assert past.events(past.join([fine, Stored(2, STREAM, 2, topic, state), fine])) is None


async def test_both_stores_tell_a_long_past(
    log: Log, url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        clock.ms += 1
        events = (Made(name=f'"{number}\\ü'), Sized(memory_mib=number, cpu_count=1))
        stream = UUID(int=number)
        await log.append(
            Unit((Append(stream, 0, events),), user=STREAM, account=STREAM, action="A")
        )
    wanted = [told(one) async for batch in log.read() for one in batch]
    monkeypatch.setattr(the_log, "SHORT", 0)
    assert await past_of(log, batch=3) == wanted
    assert await past_of(log, after=2, until=9, batch=4) == wanted[2:9]
    monkeypatch.setattr(past, "events", lambda text: None)  # it is looked at row by row
    assert await past_of(log, after=2, until=9, batch=4) == wanted[2:9]
    store = open_store(url)
    assert store.joined(0, None, 5) == past.join(store.rows(0, None, 5))
    assert store.joined(4, 6, 5) == past.join(store.rows(4, 6, 5))
    assert store.joined(14, None, 5) == b""
    store.close()


@pytest.mark.parametrize("short", [0, 10_000])
async def test_both_stores_tell_a_selection(
    short: int, log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(the_log, "SHORT", short)
    made, sized = Made(name='"do":""'), Sized(memory_mib=1, cpu_count=1)
    for number, action in enumerate(("", "A", "", "B")):
        stream = Append(UUID(int=number), 0, (sized, made, sized))
        whose = {"user": STREAM, "account": STREAM, "saga": STREAM}
        await log.append(Unit((stream,), **whose, action=action))  # type: ignore[arg-type]
    every = [told(one) async for batch in log.read() for one in batch]

    async def of(selected: Selection, until: int) -> list[tuple[object, ...]]:
        found = await past_of(log, selected=selected, until=until, batch=2)
        return [one for one in found if one[5] or getattr(one[4], "TOPIC", "") in selected.topics]

    # With what was done, which is the first event of a unit.
    topics = (Made.TOPIC, "logtoy.lost")
    assert await of(Selection(topics), 12) == every[1::3]
    acted = [*every[1:2], *every[3:5], every[7], every[9]]
    assert await of(Selection(topics, acted=True), 10) == acted
    rest = Selection((Sized.TOPIC, "logtoy.lost"), rest=True)
    assert await past_of(log, selected=rest, until=12) == every[1::3]


async def test_a_fold_that_fails_ends_the_reading(log: Log) -> None:
    for _ in range(3):
        await log.append(Unit((Append(uuid4(), 0, (Made(name="x"),)),)))

    def fails(_: Sequence[Recorded]) -> None:
        raise RuntimeError("out of step")

    with pytest.raises(RuntimeError, match="out of step"):
        await log.fold_past(fails, batch=1)
    assert await log.position() == 3
