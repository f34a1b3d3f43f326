"""The simulator as a driver: kind `Simulator`, any URL a host, one world behind all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from drivers.contract.compute import HostAddress
from drivers.contract.errors import Refused
from drivers.sim.address import behind
from drivers.sim.faults import ANY, Fault, SimFaults
from drivers.sim.kind import CAPABILITIES, KIND
from drivers.sim.session import SimSession
from drivers.sim.site import Site
from drivers.sim.world import SimWorld


class SimDriver:
    """A data centre to connect to. Close it to let go of the journal that `make` opened."""

    kind = KIND
    capabilities = CAPABILITIES

    def __init__(
        self,
        world: SimWorld,
        faults: SimFaults | None = None,
        *,
        now_s: Callable[[], float] = time.time,
        serial_dir: Path | None = None,
        owns_world: bool = False,
    ) -> None:
        self.world = world
        self.faults = faults or SimFaults()
        self._site = Site(world=world, faults=self.faults, now_s=now_s, serial_dir=serial_dir)
        self._owns_world = owns_world

    async def discover(self, address: HostAddress) -> tuple[HostAddress, ...]:
        return behind(address)

    async def connect(self, address: HostAddress) -> SimSession:
        """Refused and Unavailable as the URL's query, the faults or the host's power have it."""
        session = self.session(address.url)
        await session.check("connect")
        return session

    def session(self, url: str) -> SimSession:
        """A session with the host at `url`, whether or not it can be reached."""
        return SimSession(self._site, self.world.host(url).url)

    async def close(self) -> None:
        if self._owns_world:
            self.world.close()


def make_own(
    settings: Mapping[str, str],
    *,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    now_s: Callable[[], float] = time.time,
) -> SimDriver:
    """A simulator by its settings; all of them are optional, and an unknown one is an error.

    `state`: path of the journal that keeps the world over restarts. `serial_dir`: folder for boot
    transcripts. `seed`: which faults. `delay_s`, `delay_s.<verb>`: how long verbs take.
    `shutdown_s`: how long guests take to power off. `fail.<verb>` (`fail.*` for any):
    `0.01:unknown` fails that share of calls, `#3:before` the third call; commas join several.
    """
    faults = faults_from(settings, sleep=sleep)
    state, serial_dir = settings.get("state"), settings.get("serial_dir")
    world = SimWorld.open(Path(state)) if state else SimWorld()
    return SimDriver(
        world,
        faults,
        now_s=now_s,
        serial_dir=Path(serial_dir) if serial_dir else None,
        owns_world=True,
    )


def faults_from(
    settings: Mapping[str, str], *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
) -> SimFaults:
    """The ills that the settings ask for."""
    faults = SimFaults(
        int(_number(settings, "seed")), shutdown_s=_number(settings, "shutdown_s"), sleep=sleep
    )
    for name, value in settings.items():
        stem, _, verb = name.partition(".")
        if stem == "delay_s":
            faults.slow(verb or ANY, _number(settings, name))
        elif stem == "fail" and verb:
            for text in value.split(","):
                _add_rule(faults, verb, text.strip(), name)
        elif name not in ("state", "serial_dir", "seed", "shutdown_s"):
            raise Refused(f"the simulator has no setting {name}")
    return faults


def _number(settings: Mapping[str, str], name: str) -> float:
    try:
        return float(settings.get(name, "0"))
    except ValueError as error:
        raise Refused(f"simulator setting {name}={settings[name]} is not a number") from error


def _add_rule(faults: SimFaults, verb: str, text: str, name: str) -> None:
    when, _, how = text.partition(":")
    try:
        fault = Fault(how)
        if when.startswith("#"):
            faults.fail(verb, fault, nth=int(when[1:]))
        else:
            faults.fail(verb, fault, probability=float(when))
    except ValueError as error:
        raise Refused(
            f"simulator setting {name}={text} is not understood: write 0.01:unknown or #3:before,"
            f" with one of {', '.join(Fault)}"
        ) from error
