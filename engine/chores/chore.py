"""Chores: declared beside what they do, run one after another by `Chores` for as long as it lives.

A chore that fails is told in the log of the program and comes round again; the others go on. When
the clock is set far ahead, all of them wait a while: leases would end and removed guests be
expunged at once, and a clock that went wrong may be set right before anything is lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aggregates.errors import DomainError
from engine.clock import Clock, steady_s
from engine.engine import Engine, JobFailed
from engine.failure import Caught, failure_of
from engine.intents import By
from projections.setting import number_of

log_ = logging.getLogger("sagastack.chores")

BY = By(action="SYSTEM.CHORE", command="chore")
LONGEST_S = 120.0
# A step ahead by so much is doubted for so long.
LEAP_S, DOUBT_S = 600.0, 900.0

Do = Callable[[Engine, int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Chore:
    """`do` is given the engine and the time in milliseconds since 1970.

    A setting may say how often, in seconds or in milliseconds (`unit_ms`); else it is `every_s`.
    """

    name: str
    every_s: float
    do: Do
    setting: str = ""
    unit_ms: int = 1000

    def every_ms(self, engine: Engine) -> int:
        if not self.setting:
            return int(self.every_s * 1000)
        return int(number_of(engine.cloud, self.setting) * self.unit_ms)


CHORES: dict[str, Chore] = {}


def chore(*, every_s: float = 0, setting: str = "", unit_ms: int = 1000) -> Callable[[Do], Do]:
    """Register a chore under its function's name."""

    def register(do: Do) -> Do:
        name = getattr(do, "__name__", "")
        assert name not in CHORES, f"two chores are called {name}"
        CHORES[name] = Chore(name, every_s, do, setting, unit_ms)
        return do

    return register


async def attempt(engine: Engine, ask: object) -> None:
    """Do one of many: what is refused comes round again, and keeps no other from its turn."""
    try:
        await engine.perform(ask, BY)
    except (DomainError, JobFailed) as no:
        log_.info("a chore is put off: %s", no)


class Chores:
    """Runs each chore when its time has come; `round` does those that are due and returns."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        *,
        tick_s: float = 1.0,
        steady: Callable[[], float] = steady_s,
    ) -> None:
        self._engine, self._clock, self._tick_s, self._steady = engine, clock, tick_s, steady
        self._due_ms: dict[str, int] = {}
        self._ahead_s, self._doubted_until_s = self._ahead(), 0.0

    async def run(self) -> None:
        while True:
            await self._clock.sleep(self._tick_s)
            await self.round()

    async def round(self) -> None:
        """Do every chore whose time has come, in the order of their names."""
        if self._doubts_the_clock():
            return
        for name, one in sorted(CHORES.items()):
            now_ms, every_ms = self._clock.now_ms(), one.every_ms(self._engine)
            # Further away than it can be: the clock was set back, and nobody waits for that.
            if now_ms < self._due_ms.get(name, 0) <= now_ms + every_ms:
                continue
            self._due_ms[name] = now_ms + every_ms
            await self._one(one, now_ms)

    def _ahead(self) -> float:
        """How far the clock is ahead of one that nobody sets."""
        return self._clock.now_ms() / 1000 - self._steady()

    def _doubts_the_clock(self) -> bool:
        """Whether it was set ahead just now, and not back since."""
        before_s, self._ahead_s = self._ahead_s, self._ahead()
        leap_s = self._ahead_s - before_s
        if leap_s >= LEAP_S:
            self._doubted_until_s = self._steady() + DOUBT_S
            log_.error(
                "the clock was set ahead by %.0f s: chores (leases, expunging, snapshots) wait for "
                "%.0f s; if it is wrong, set it right before",
                leap_s,
                DOUBT_S,
            )
        elif leap_s <= -LEAP_S:
            self._doubted_until_s = 0.0
            log_.error(
                "the clock was set back by %.0f s: until it comes to where it was, events carry "
                "that moment's time, and a past is told by position (@N) alone",
                -leap_s,
            )
        return self._steady() < self._doubted_until_s

    async def _one(self, one: Chore, now_ms: int) -> None:
        with Caught() as caught:
            async with asyncio.timeout(LONGEST_S):
                await one.do(self._engine, now_ms)
        if caught.error is not None:
            kind, text = failure_of(caught.error)
            bug = caught.error if kind == "Bug" else None
            log_.warning("chore %s failed: %s: %s", one.name, kind, text, exc_info=bug)
