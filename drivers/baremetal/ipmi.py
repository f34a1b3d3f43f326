"""A BMC that speaks IPMI 2.0 over RMCP+, by pyghmi, which has its own loop: one thread each BMC.

A thread waits for its BMC alone, so a dead one holds up no other. A session that broke is made
anew at the next call; pyghmi gives up by itself, and we never wait longer than `CALL_S` for it.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from pyghmi import exceptions
from pyghmi.ipmi.command import Command
from pyghmi.ipmi.private.session import Session

from drivers.baremetal.address import NodeAddress
from drivers.baremetal.bmc import BmcFacts, Boot, Turn
from drivers.baremetal.errors import lost, of_words
from drivers.baremetal.sol import HEAL_S, serial_port
from drivers.contract.compute import Console, Sensor
from drivers.contract.errors import Unavailable

T = TypeVar("T")

CALL_S = 30.0
CLOSE_S = 5.0
# What pyghmi raises of a BMC, and what it trips over when a session ended under it, or an answer
# is cut off.
WORDS = (exceptions.PyghmiException, exceptions.TemporaryError, OSError)
BROKEN = (*WORDS, TypeError, AttributeError, LookupError, ValueError, struct.error)
TURNS = {Turn.ON: "on", Turn.OFF: "off", Turn.SOFT: "shutdown", Turn.RESET: "reset"}
DEVICES = {Boot.NETWORK: "network", Boot.DISK: "hd"}


class IpmiBmc:
    """Fulfils `bmc.Bmc`."""

    def __init__(
        self, address: NodeAddress, call_s: float = CALL_S, heal_s: float = HEAL_S
    ) -> None:
        self.name = f"the BMC at {address.host}:{address.port}"
        self._address, self._call_s = address, call_s
        self._serial = serial_port(self.name, address, address.port, heal_s=heal_s)
        self._thread = ThreadPoolExecutor(1, f"ipmi-{address.host}")
        self._command: Any = None

    async def facts(self) -> BmcFacts:
        return await self._call(_facts)

    async def is_on(self) -> bool:
        said = await self._call(lambda command: command.get_power())
        return bool(said.get("powerstate") == "on")

    async def turn(self, how: Turn) -> None:
        await self._call(lambda command: command.set_power(TURNS[how]), asks=False)

    async def boot_from(self, device: Boot, *, once: bool, uefi: bool) -> None:
        await self._call(
            lambda command: command.set_bootdev(DEVICES[device], persist=not once, uefiboot=uefi),
            asks=False,
        )

    async def sensors(self) -> tuple[Sensor, ...]:
        return await self._call(_sensors)

    async def prepare(self) -> bool:
        return False  # IPMI knows neither RAID nor firmware settings.

    async def console(self) -> Console:
        at = self._address
        url = f"ipmi-sol://{at.host}:{at.port}"
        return Console(url=url, protocol="sol", line=self._serial.open)

    async def close(self) -> None:
        """Log out, for a BMC has few sessions; a thread that hangs is left to end by itself."""
        await self._serial.close()
        command, self._command = self._command, None
        if command is not None:
            with suppress(TimeoutError, RuntimeError, *BROKEN):
                async with asyncio.timeout(CLOSE_S):
                    loop = asyncio.get_running_loop()
                    await loop.run_in_executor(self._thread, command.ipmi_session.logout)
        self._thread.shutdown(wait=False)

    async def _call(self, ask: Callable[[Any], T], *, asks: bool = True) -> T:
        """One call on the BMC's own thread. A session that broke is replaced; a question, and
        what did not get so far as to be asked, is then put once more."""
        for attempt in range(2):
            opened = False
            try:
                command = await self._on_thread(self._open, asks=True)
                opened = True
                return await self._on_thread(partial(ask, command), asks=asks)
            except BROKEN as error:
                fresh, self._command = self._command is None, None
                if attempt == 0 and not fresh and (asks or not opened):
                    continue
                words = str(error) if isinstance(error, WORDS) else "timeout"
                raise of_words(self.name, words, asks=asks or not opened) from error
        raise AssertionError("unreachable")

    async def _on_thread(self, work: Callable[[], T], *, asks: bool) -> T:
        under_way = asyncio.get_running_loop().run_in_executor(self._thread, work)
        try:
            async with asyncio.timeout(self._call_s):
                return await under_way
        except TimeoutError as error:
            self._replace_thread()
            if not asks:
                raise lost(self.name, error, asks=False) from error
            raise Unavailable(
                f"{self.name} does not answer within {self._call_s:.0f} s: check its address, its "
                "cable, UDP port 623, and the user: some BMCs are silent to one they do not know"
            ) from error
        except RuntimeError as error:
            raise Unavailable(f"{self.name}: its session is closed") from error

    def _replace_thread(self) -> None:
        """One that hangs is left to end by itself."""
        self._command = None
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._thread = ThreadPoolExecutor(1, f"ipmi-{self._address.host}")

    def _open(self) -> Any:
        if self._command is None or not self._command.ipmi_session.logged:
            at = self._address
            # pyghmi may hold a session of these words that ended before, and give us that one.
            Session.initting_sessions.pop((at.host, at.username, at.password, at.port, None), None)
            self._command = Command(
                bmc=at.host,
                port=at.port,
                userid=at.username,
                password=at.password,
                privlevel=at.privilege,
                keepalive=False,
            )
        return self._command


def _facts(command: Any) -> BmcFacts:
    said = command._get_device_id()
    uuid = ""
    answer = command.raw_command(netfn=6, command=0x37)  # Get System GUID
    if "error" not in answer and len(answer["data"]) == 16:
        uuid = bytes(answer["data"]).hex()
    maker = f"manufacturer {said['manufacturer_id']} product {said['product_id']}"
    return BmcFacts(uuid=uuid, model=maker, firmware=said["firmware_version"])


def _sensors(command: Any) -> tuple[Sensor, ...]:
    """A BMC without a sensor repository has none to tell."""
    try:
        return tuple(
            Sensor(
                name=str(one.name),
                value=None if one.value is None else float(one.value),
                unit=str(one.units or ""),
                health=", ".join(str(state) for state in one.states or ()),
            )
            for one in command.get_sensor_data()
            if not one.unavailable
        )
    except exceptions.PyghmiException as error:
        if "timeout" in str(error).lower():
            raise
        return ()
