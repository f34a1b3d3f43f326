"""A simulator by its settings: with a world of its own, or over the line to one of its own process.

With `server=host:port` there is nothing else to set here: what goes wrong there, and where that
world is kept, is set where it is served.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from drivers.contract.driver import Driver
from drivers.contract.errors import Refused
from drivers.sim.driver import SimDriver, make_own
from drivers.sim.remote import RemoteSim, address_of

# Every controller has a place for these; a world that is elsewhere has its own.
OF_A_PLACE = ("server", "state", "serial_dir")


def make(
    settings: Mapping[str, str],
    *,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    now_s: Callable[[], float] = time.time,
) -> SimDriver | RemoteSim:
    """A simulator by its settings: `server`, or those of `make_own`; an unknown one is an error."""
    server = settings.get("server")
    if not server:
        return make_own(
            {name: value for name, value in settings.items() if name != "server"},
            sleep=sleep,
            now_s=now_s,
        )
    if others := sorted(set(settings) - set(OF_A_PLACE)):
        raise Refused(
            f"the world is at {server}: set {', '.join(others)} for `sagastack simulate` there"
        )
    return RemoteSim(*address_of(server))


def make_all(settings: Mapping[str, str]) -> tuple[Driver, ...]:
    """What the engine asks for: the simulator is one kind."""
    return (make(settings),)
