"""Several controllers write to one log: one order, exact versions and guards, growing times."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from aggregates.base import Event, Recorded, event
from aggregates.errors import Conflict
from engine.log import Append, Log, Unit
from engine.log.postgres_store import IDLE_S
from engine.log.store import StoreDown
from engine.log.stores import open_store
from tests.log.conftest import Clock
from tests.log.test_log import everything
from tests.log.toys import Made, unit


@event("logtoy.ended", removes=True)
class Ended(Event, frozen=True):
    why: str = ""


class Member:
    """A controller as far as the log goes: what it has folded, and where it stands."""

    def __init__(self, log: Log) -> None:
        self.log, self.folded = log, list[Recorded]()
        log.listen(self.folded.extend)

    @property
    def position(self) -> int:
        return self.folded[-1].position if self.folded else 0


@pytest.fixture
async def members(postgres: Callable[[], str], clock: Clock) -> AsyncIterator[list[Member]]:
    url = postgres()
    async with AsyncExitStack() as stack:
        logs = [await Log.open(url, now_ms=clock) for _ in range(3)]
        for log in logs:
            stack.push_async_callback(log.close)
        yield [Member(log) for log in logs]


async def test_everybody_folds_the_same_events_in_the_same_order(members: list[Member]) -> None:
    async def write(member: Member) -> None:
        for _ in range(30):
            await member.log.append(unit(uuid4(), 0, "a", "b"))

    await asyncio.gather(*map(write, members))
    for member in members:
        await member.log.look()
    assert [one.position for one in members[0].folded] == list(range(1, 181))
    held = await everything(members[0].log)
    assert all(member.folded == held for member in members)


async def test_one_of_those_who_expect_the_same_version_gets_it(members: list[Member]) -> None:
    stream = uuid4()
    await members[0].log.append(unit(stream))
    for version in range(1, 20):
        answers = await asyncio.gather(
            *(member.log.submit(unit(stream, version)) for member in members),
            return_exceptions=True,
        )
        assert sum(not isinstance(answer, BaseException) for answer in answers) == 1
        assert sum(isinstance(answer, Conflict) for answer in answers) == 2


async def test_an_end_is_refused_when_others_came_to_rest_on_it(members: list[Member]) -> None:
    one, two, _ = members
    zone = uuid4()
    await one.log.append(unit(zone))
    await two.log.look()
    seen = two.position
    await one.log.append(Unit((Append(zone, 1, ()), Append(uuid4(), 0, (Made(name="pod"),)))))
    end = Append(zone, 1, (Ended(),))
    with pytest.raises(Conflict, match="relied"):
        await two.log.append(Unit((end,), decided_at=seen))
    await two.log.append(Unit((end,), decided_at=two.position))
    with pytest.raises(Conflict, match="at version 2"):
        await one.log.append(Unit((Append(zone, 1, ()), Append(uuid4(), 0, (Made(name="b"),)))))


async def test_of_two_who_draw_on_one_sum_unseen_one_decides_again(members: list[Member]) -> None:
    one, two, _ = members
    account, other = uuid4(), uuid4()

    def draw(member: Member, *on: object) -> Unit:
        made = (Append(uuid4(), 0, (Made(name="guest"),)),)
        return Unit(made, decided_at=member.position, draws=on)  # type: ignore[arg-type]

    before = draw(two, account)
    await one.log.append(draw(one, account))
    with pytest.raises(Conflict, match="relied"):
        await two.log.append(before)
    await two.log.append(draw(two, account))
    mine = [draw(two, account) for _ in range(3)]
    for own in mine:  # Our own are promised here, so they need not see each other.
        await two.log.append(own)
    await one.log.append(draw(one, other))


async def test_rows_that_were_read_elsewhere_spare_the_question(members: list[Member]) -> None:
    one, two, three = members
    for _ in range(5):
        await one.log.append(unit())
    rows = await one.log.read_stored()
    await two.log.look(rows[:3])
    await two.log.look(rows[1:])
    assert two.folded == one.folded
    await three.log.look(rows[3:])
    assert three.folded == one.folded, "what lies between is read from the store"
    await three.log.look(rows)
    assert len(three.folded) == 5


async def test_rows_that_were_read_elsewhere_are_not_told_as_the_stores(
    members: list[Member],
) -> None:
    """What is sealed is what the store holds, whatever a copy of it says."""
    one, two, _ = members
    for _ in range(3):
        await one.log.append(unit())
    rows = await one.log.read_stored()
    copied = [row._replace(state=row.state.replace(b'"a"', b'"b"')) for row in rows[:2]]
    await two.log.look(copied)
    await two.log.append(unit())
    assert (await two.log.read_stored())[:3] == rows != copied
    assert len(two.log._recent.behind(2, None, 9)) == 2


async def test_times_grow_though_clocks_differ(members: list[Member], clock: Clock) -> None:
    clock.ms = 50_000
    await members[0].log.append(unit())
    clock.ms = 7_000
    late = await members[1].log.append(unit())
    assert late[0].at_ms == 50_000
    assert [one.at_ms for one in await everything(members[2].log)] == [50_000, 50_000]


async def test_who_stops_in_the_middle_of_a_commit_is_thrown_out(
    postgres: Callable[[], str], clock: Clock
) -> None:
    url = postgres()
    log = await Log.open(url, now_ms=clock)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def commit_and_stop() -> None:
        store = open_store(url)
        try:
            with pytest.raises(StoreDown), store.turn():
                loop.call_soon_threadsafe(stopped.set)
                time.sleep(2 * IDLE_S)
        finally:
            store.close()

    paused = asyncio.create_task(asyncio.to_thread(commit_and_stop))
    await stopped.wait()
    assert not paused.done()
    await log.append(unit())
    assert not paused.done(), "the other had to wait for its own end"
    await paused
    await log.close()


async def test_what_is_written_while_one_begins_is_heard_once(
    postgres: Callable[[], str], clock: Clock
) -> None:
    url = postgres()
    first = await Log.open(url, now_ms=clock)
    await first.append(unit())
    second = Member(await Log.open(url, now_ms=clock))
    await first.append(unit())
    assert second.log.begins == 1
    await second.log.look()
    assert [one.position for one in second.folded] == [2]
    await second.log.close()
    await first.close()
