"""Many waits share one timer, and each ends as `asyncio.timeout` would end it."""

from __future__ import annotations

import asyncio

import pytest

from api.deadlines import Deadlines


async def test_what_is_in_time_is_left_alone() -> None:
    deadlines = Deadlines(30.0)
    with deadlines():
        await asyncio.sleep(0)
    with pytest.raises(KeyError), deadlines():
        raise KeyError


async def test_what_is_overdue_ends_as_a_timeout_and_no_task_is_cancelled() -> None:
    deadlines = Deadlines(0.01)
    with pytest.raises(TimeoutError):
        with deadlines():
            await asyncio.Event().wait()
    own = asyncio.current_task()
    assert own is not None and not own.cancelling()
    with deadlines():
        await asyncio.sleep(0)


async def test_each_of_many_has_its_own_time() -> None:
    """The one timer goes on from each to the next, also when the first are gone by then."""
    deadlines = Deadlines(0.05)
    loop = asyncio.get_running_loop()

    async def overdue(delay_s: float) -> float:
        await asyncio.sleep(delay_s)
        began_s = loop.time()
        with pytest.raises(TimeoutError):
            with deadlines():
                await asyncio.Event().wait()
        return loop.time() - began_s

    async def in_time() -> float:
        with deadlines():
            await asyncio.sleep(0)
        return 0.05

    async with asyncio.timeout(10):
        took_s = await asyncio.gather(in_time(), *(overdue(n / 50) for n in range(5)))
    assert min(took_s) >= 0.049


async def test_who_is_cancelled_is_cancelled() -> None:
    deadlines = Deadlines(30.0)
    begun = asyncio.Event()

    async def work() -> None:
        with deadlines():
            begun.set()
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(work())
        await begun.wait()
        task.cancel()
    assert task.cancelled()


async def test_one_that_takes_its_time_to_end_is_ended_once() -> None:
    deadlines = Deadlines(0.01)

    async def slow() -> None:
        with deadlines():
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.05)

    async def other() -> None:
        await asyncio.sleep(0.02)
        with deadlines():
            await asyncio.Event().wait()

    found = await asyncio.gather(slow(), other(), return_exceptions=True)
    assert [type(one) for one in found] == [TimeoutError, TimeoutError]
