"""What the log promises, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from uuid import uuid4

import pytest

from aggregates.base import Event, Recorded
from aggregates.errors import Conflict
from engine.log import Append, Log, LogUnavailable, Unit
from tests.log.conftest import Clock
from tests.log.toys import Filled, Made, Part, made, unit


async def everything(log: Log, after: int = 0, until: int | None = None) -> list[Recorded]:
    return [one async for batch in log.read(after, until=until, batch=3) for one in batch]


async def test_an_event_comes_back_as_it_was_recorded(log: Log) -> None:
    event = Filled(
        owner=uuid4(),
        ratio=0.5,
        count=2**40,
        on=True,
        tags=["a", "ü"],
        notes={"k": '"quoted"'},
        part=Part("p", 7),
    )
    stream, user, account, saga = uuid4(), uuid4(), uuid4(), uuid4()
    appends = (Append(stream, 0, (event, Made(name="x"))), made(uuid4(), 0, "y"))
    told = await log.append(
        Unit(appends, user=user, account=account, saga=saga, action="TOY.CREATE")
    )
    assert told == await everything(log)
    assert [one.action for one in told] == ["TOY.CREATE", "", ""]
    assert [one.version for one in told] == [1, 2, 1]
    assert {(one.user, one.account, one.saga) for one in told} == {(user, account, saga)}
    assert told[0].event == event
    assert await log.read_stream(stream) == told[:2]
    assert await log.read_stream(stream, after=1) == told[1:2]


async def test_the_version_that_an_append_expects_decides(log: Log) -> None:
    stream = uuid4()
    await log.append(unit(stream, 0, "one", "two"))
    with pytest.raises(Conflict, match=rf"{stream} is at version 2, not 1 "):
        await log.append(unit(stream, 1, "late"))
    with pytest.raises(Conflict, match="at version 2, not 0"):
        await log.append(unit(stream, 0, "again"))
    with pytest.raises(Conflict, match="at version 2, not 3"):
        await log.append(unit(stream, 3, "early"))
    await log.append(unit(stream, 2, "three"))
    assert [one.version for one in await log.read_stream(stream)] == [1, 2, 3]
    assert log.stats.conflicts == 3


async def test_a_stream_of_an_earlier_run_is_known(url: str, log: Log, clock: Clock) -> None:
    old, other = uuid4(), uuid4()
    await log.append(unit(old))
    await log.append(unit(other))
    await log.close()
    again = await Log.open(url, now_ms=clock)
    with pytest.raises(Conflict, match="at version 1, not 0"):
        await again.append(unit(old))
    with pytest.raises(Conflict, match="at version 1, not 2"):
        await again.append(unit(other, 2))
    assert (await again.append(unit(other, 1)))[0].version == 2
    await again.close()


async def test_a_conflict_takes_only_its_own_unit_and_what_was_built_on_it(log: Log) -> None:
    stream, bystander = uuid4(), uuid4()
    await log.append(unit(stream))
    waiting = [
        log.submit(unit(bystander)),
        log.submit(Unit((made(stream, 5, "wrong"), made(uuid4(), 0, "with it")))),
        log.submit(unit(stream, 6, "built on the wrong one")),
        log.submit(unit(stream, 1, "right")),
        log.submit(unit(stream, 2, "built on the right one")),
    ]
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [isinstance(answer, Conflict) for answer in answers] == [0, 1, 1, 0, 0]
    names = [one.event.name for one in await everything(log) if isinstance(one.event, Made)]
    assert names == ["a", "a", "right", "built on the right one"]


async def test_units_stay_whole_and_in_the_order_of_their_calls(log: Log) -> None:
    streams = [uuid4() for _ in range(5)]
    calls = [log.submit(unit(streams[n % 5], n // 5 * 2, f"{n}", f"{n}+")) for n in range(50)]
    told = [one for answer in await asyncio.gather(*calls) for one in answer]
    assert told == await everything(log)
    assert [one.event for one in told[:4]] == [Made(name=n) for n in ("0", "0+", "1", "1+")]
    assert log.stats.batches < 50, "units that wait are committed together"
    assert (log.stats.units, log.stats.events) == (50, 100)


async def test_listeners_fold_each_event_once_before_its_writer_goes_on(log: Log) -> None:
    folded: list[Recorded] = []
    log.listen(folded.extend)

    async def write(number: int) -> None:
        stream = uuid4()
        for version in range(5):
            (told,) = await log.append(unit(stream, version, f"{number}"))
            assert told in folded[-200:], "acknowledged and not yet folded"

    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(write(number))
    assert folded == await everything(log)


async def test_a_listener_that_fails_stops_the_log(url: str, log: Log, clock: Clock) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)

    def wrong(_: Sequence[Recorded]) -> None:
        raise RuntimeError("a bug in a projection")

    log.listen(wrong)
    waiting = [log.submit(unit()), log.submit(unit(None, 7)), log.submit(unit())]
    async with asyncio.timeout(60):
        answers = await asyncio.gather(*waiting, return_exceptions=True)
    kinds = [type(answer) for answer in answers]
    assert kinds == [LogUnavailable, Conflict, LogUnavailable], "each waiter hears the truth"
    with pytest.raises(LogUnavailable, match="restart"):
        log.submit(unit())
    await log.close()
    again = await Log.open(url, now_ms=clock)
    assert len(await everything(again)) == 2, "what is on disk stays"
    await again.close()


async def test_a_bug_in_the_writer_leaves_nobody_waiting(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    monkeypatch.setattr(log._write_store, "turn", lambda: 1 / 0)
    waiting = [log.submit(unit()) for _ in range(1000)]
    async with asyncio.timeout(60):
        answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(answer) for answer in answers} == {LogUnavailable}
    with pytest.raises(LogUnavailable, match="restart"):
        log.submit(unit())


async def test_time_never_runs_backwards(
    url: str, log: Log, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """A year ahead by mistake is told at each start: events carry that time until it is reached."""
    times = []
    for clock.ms in (5_000, 3_000, 6_000):
        (told,) = await log.append(unit())
        times.append(told.at_ms)
    await log.close()
    clock.ms = 10
    again = await Log.open(url, now_ms=clock)
    (told,) = await again.append(unit())
    assert [*times, told.at_ms] == [5_000, 5_000, 6_000, 6_000]
    assert not caplog.messages
    clock.ms = told.at_ms + 365 * 24 * 3_600_000
    await again.append(unit())
    clock.ms = told.at_ms
    await again.close()
    late = await Log.open(url, now_ms=clock)
    await late.close()
    assert "is 31536000 s ahead of this clock" in caplog.messages[0]
    await again.close()


async def test_a_time_has_a_position(log: Log, clock: Clock) -> None:
    assert await log.position_at(2**50) == 0
    ends = {}
    for clock.ms in (10, 20, 20, 30):
        ends[clock.ms] = (await log.append(unit(None, 0, "a", "b")))[-1].position
    assert await log.position_at(9) == 0
    assert await log.position_at(10) == await log.position_at(19) == ends[10]
    assert await log.position_at(20) == ends[20]
    assert await log.position_at(99) == ends[30] == await log.position()


async def test_reading_can_begin_behind_and_end_at_a_position(log: Log) -> None:
    told = [one for n in range(8) for one in await log.append(unit(None, 0, f"{n}"))]
    assert await everything(log, after=told[1].position, until=told[5].position) == told[2:6]
    assert await everything(log, after=told[-1].position) == []
    rows = await log.read_stored(told[5].position)
    assert [(row.position, row.stream, row.topic) for row in rows] == [
        (one.position, one.stream, "logtoy.made") for one in told[6:]
    ]


async def test_what_says_nothing_or_cannot_be_read_back_is_refused_at_once(log: Log) -> None:
    class Unregistered(Event, frozen=True):
        name: str

    stream = uuid4()
    with pytest.raises(ValueError, match="says nothing"):
        log.submit(Unit(()))
    with pytest.raises(ValueError, match="says nothing"):
        log.submit(Unit((Append(stream, 0, ()),)))
    with pytest.raises(ValueError, match="twice"):
        log.submit(Unit((made(stream, 0, "a"), made(stream, 1, "b"))))
    with pytest.raises(ValueError, match="Unregistered is no registered event"):
        log.submit(Unit((Append(stream, 0, (Unregistered(name="x"),)),)))
    with pytest.raises(ValueError, match=r"logtoy\.made could not be read back"):
        log.submit(Unit((Append(stream, 0, (Made(name=7),)),)))  # type: ignore[arg-type]
    assert await log.position() == 0


async def test_giving_up_the_wait_does_not_take_the_unit_back(log: Log) -> None:
    folded: list[Recorded] = []
    log.listen(folded.extend)
    log.submit(unit()).cancel()
    await log.append(unit())
    assert len(folded) == len(await everything(log)) == 2


async def test_closing_commits_and_answers_what_waits(url: str, log: Log, clock: Clock) -> None:
    waiting = [log.submit(unit()) for _ in range(100)]
    await log.close()
    assert all(answer.done() for answer in waiting)
    with pytest.raises(LogUnavailable, match="closed"):
        log.submit(unit())
    reader = await Log.open(url, now_ms=clock, read_only=True)
    assert len(await everything(reader)) == 100
    await reader.close()


async def test_a_reader_stands_beside_the_writer(url: str, log: Log, clock: Clock) -> None:
    await log.append(unit())
    reader = await Log.open(url, now_ms=clock, read_only=True)
    await log.append(unit())
    assert await everything(reader) == await everything(log)
    with pytest.raises(LogUnavailable, match="read-only"):
        reader.submit(unit())
    await reader.close()
