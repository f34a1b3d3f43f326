"""A controller without Kafka is alone on its database; those with it go together."""

from __future__ import annotations

import asyncio
import time

import pytest

from engine.clock import SystemClock
from engine.cluster.leases import LEASE_S
from engine.cluster.presence import Occupied, Presence
from engine.log import LogError


async def enter(url: str, holder: str, *, alone: bool) -> Presence:
    return await Presence.enter(url, holder, SystemClock(), alone=alone)


async def staying(one: Presence) -> None:
    """Until it is cancelled or put out."""
    async with asyncio.timeout(120):
        await one.stay()


async def test_the_second_of_two_alone_is_told_who_the_first_is(url: str) -> None:
    first = await enter(url, "first@here:1", alone=True)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(first.stay())
        began = time.monotonic()
        with pytest.raises(Occupied, match=r"first@here:1 already runs.*stop it first.*--kafka"):
            await enter(url, "second", alone=True)
        assert time.monotonic() - began < LEASE_S, "one that renews is alive: no need to wait"
        with pytest.raises(Occupied, match=r"first@here:1 .*without Kafka"):
            await enter(url, "with kafka", alone=False)
        with pytest.raises(Occupied, match=r"first@here:1 already runs"):
            await enter(url, "first@here:1", alone=True)  # another of the same name
        task.cancel()
    await first.close()
    second = await enter(url, "second", alone=True)
    assert await second.here() == ["second"]
    await second.close()


async def test_several_go_together_and_keep_one_alone_out(url: str) -> None:
    three = [await enter(url, f"controller {n}", alone=False) for n in range(3)]
    assert await three[0].here() == [one.holder for one in three]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one.stay()) for one in three]
        with pytest.raises(LogError, match=r"controller 0 already runs.*with the same --kafka"):
            await enter(url, "alone", alone=True)
        for task in tasks:
            task.cancel()
    for one in three:
        await one.close()
    only = await enter(url, "alone", alone=True)
    await only.close()


async def test_what_a_crash_left_is_waited_for(url: str) -> None:
    await enter(url, "crashed", alone=True)  # and never renews
    began = time.monotonic()
    again = await enter(url, "restarted", alone=True)
    assert time.monotonic() - began < LEASE_S + 2
    assert await again.here() == ["restarted"]
    await again.close()


async def test_one_that_was_away_too_long_ends_if_another_is_there(url: str) -> None:
    away = await enter(url, "away", alone=True)
    await asyncio.sleep(LEASE_S + 0.1)
    other = await enter(url, "other", alone=True)
    with pytest.raises(Occupied, match="other already runs"):
        await staying(away)
    await away.close()
    assert await other.here() == ["other"]
    await other.close()
    # Nobody came: it is there again.
    back = await enter(url, "back", alone=True)
    await asyncio.sleep(LEASE_S + 0.1)
    assert await back.here() == []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.5):
            await back.stay()
    assert await back.here() == ["back"]
    await back.close()


async def test_of_two_that_come_at_one_moment_one_is_let_in(url: str) -> None:
    results = await asyncio.gather(
        *(enter(url, f"c{n}", alone=True) for n in range(2)), return_exceptions=True
    )
    inside = [one for one in results if isinstance(one, Presence)]
    # Neither renews here, so the other may come in once the first's row has ended, not before.
    assert len(await inside[0].here()) == 1
    for one in inside:
        await one.close()
