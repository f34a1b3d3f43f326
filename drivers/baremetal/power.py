"""A BMC's word on power is not taken: what was asked for must be seen, twice in a row.

BMCs answer before it is done, keep an old answer for seconds, or are plainly wrong (a stuck relay,
a feed that was pulled). So a change is asked for again while it does not show, and when it never
does, the error says what was asked, what the BMC says, and what a person can do.
"""

from __future__ import annotations

import asyncio

from drivers.baremetal.bmc import Bmc, Turn
from drivers.baremetal.wait import pause, until
from drivers.contract.errors import Refused, Unavailable, Unknown

SETTLE_S = 45.0
AGAIN_S = 15.0
PACE_S = 1.0


class Pace:
    """How patient one is with a BMC; tests are less so."""

    def __init__(self, settle_s: float = SETTLE_S, every_s: float = PACE_S) -> None:
        self.settle_s, self.every_s = settle_s, every_s
        self.again_s = min(AGAIN_S, settle_s / 3)


async def steady(bmc: Bmc, pace: Pace) -> bool:
    """The power as two readings in a row have it; a BMC that cannot make up its mind is told of."""
    last = await bmc.is_on()
    for _ in range(10):
        await pause(pace.every_s / 10)
        now = await bmc.is_on()
        if now == last:
            return now
        last = now
    raise Unavailable(f"{bmc.name} says now on, now off: its word on power cannot be used")


async def switch(bmc: Bmc, *, on: bool, pace: Pace) -> None:
    """The power is on, or off, when this returns: seen, not just asked for."""
    if await steady(bmc, pace) == on:
        return
    loop = asyncio.get_running_loop()
    end_s = loop.time() + pace.settle_s

    async def shows() -> bool:
        return await bmc.is_on() == on and await steady(bmc, pace) == on

    while loop.time() < end_s:
        await bmc.turn(Turn.ON if on else Turn.OFF)
        left_s = min(pace.again_s, max(0.0, end_s - loop.time()))
        if await until(shows, within_s=left_s, every_s=pace.every_s):
            return
    word, still = ("on", "off") if on else ("off", "on")
    raise Unknown(
        f"{bmc.name} accepted to turn the power {word}, and {pace.settle_s:.0f} s later still says "
        f"that it is {still}: look at the machine, reset its BMC, then try again"
    )


async def soften(bmc: Bmc, *, grace_s: float, pace: Pace) -> bool:
    """Press the power button and wait; True if the system let itself be turned off in time."""

    async def off() -> bool:
        return not await bmc.is_on() and not await steady(bmc, pace)

    try:
        await bmc.turn(Turn.SOFT)
    except Refused:
        return False  # No such button: the power will be cut.
    return await until(off, within_s=grace_s, every_s=min(pace.every_s, grace_s / 4))
