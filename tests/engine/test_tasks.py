"""Background work outlives what the machine refuses it for a while, and no bug is passed over."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable

import pytest

from engine.log import LogUnavailable
from engine.tasks import AGAIN_S, Tasks


class Ticks:
    """A clock that passes at once."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now_ms(self) -> int:
        return 0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


def full() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device", "/srv/cloud/traps.new")


@pytest.mark.parametrize(
    "trouble",
    [
        full,
        lambda: OSError(errno.EMFILE, "Too many open files"),
        lambda: LogUnavailable("full"),
        lambda: ExceptionGroup("side by side", [full(), LogUnavailable("full")]),
    ],
)
async def test_what_the_machine_refuses_is_tried_again_and_told_once(
    trouble: Callable[[], Exception], caplog: pytest.LogCaptureFixture
) -> None:
    clock, lives, over = Ticks(), 0, asyncio.Event()

    async def work() -> None:
        nonlocal lives
        lives += 1
        if lives <= 3:
            raise trouble()
        over.set()

    with caplog.at_level(logging.ERROR):
        async with asyncio.timeout(5), Tasks() as tasks:
            assert tasks.keep(work, name="traps", clock=clock)
            await over.wait()
    assert clock.slept == [AGAIN_S] * 3
    (line,) = caplog.messages
    assert line.startswith("traps stands still, and is tried again: ")
    assert "full" in line or "space" in line or "files" in line


@pytest.mark.parametrize(
    "bug", [ValueError("a bug"), ExceptionGroup("both", [full(), ValueError("a bug")])]
)
async def test_a_bug_ends_all(bug: Exception) -> None:
    async def work() -> None:
        raise bug

    with pytest.raises(ExceptionGroup) as raised:
        async with Tasks() as tasks:
            tasks.keep(work, name="work", clock=Ticks())
            await asyncio.sleep(60)
    assert raised.group_contains(ValueError, match="a bug")
    assert not raised.group_contains(OSError)
