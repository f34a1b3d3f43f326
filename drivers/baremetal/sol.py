"""A machine's serial line over IPMI, one at a time, which comes back after a drop.

A BMC has one serial line for one listener (IPMI 2.0, chapter 15). Who comes second is refused with
who has it, and nobody is thrown out: only a line of ours that dropped is taken back by force,
since what holds it then is what is left of it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from drivers.baremetal.address import NodeAddress
from drivers.baremetal.errors import of_words
from drivers.baremetal.wait import pause
from drivers.contract.errors import DriverError, Refused, Unavailable

OPEN_S = 30.0
CLOSE_S = 5.0
HEAL_S = 60.0
AGAIN_S = 2.0
CHUNK_BYTES = 4096
PROGRAM = ("-m", "drivers.baremetal.sol_program")
TAKEN = "SOL Session active for another client"
WORDS = {
    TAKEN: "somebody else listens to its serial line, and a BMC has one for one listener: close "
    "that one (ipmitool ... sol deactivate), or wait a minute for it to end by itself",
    "Maximum SOL session count reached": "its serial line has listeners enough: close one of them",
    "SOL is disabled": "its serial line is off, or the machine is: enable serial over LAN in the "
    "BMC's settings",
    "Cannot activate payload with encryption": "it does not encrypt its serial line: allow it in "
    "the BMC's settings",
}


@dataclass(frozen=True, slots=True)
class Bmc:
    """Where a serial line is asked for."""

    who: str
    host: str
    port: int
    username: str
    password: str = field(repr=False)


class SolLine:
    """Fulfils `SerialLine`, by a process for each session."""

    def __init__(self, bmc: Bmc, left: Callable[[SolLine], None], *, heal_s: float) -> None:
        self._bmc, self._left, self._heal_s = bmc, left, heal_s
        self._process: asyncio.subprocess.Process | None = None
        self._closed = False

    async def begin(self, *, force: bool) -> None:
        """A session that is up when this returns. Refused: another has it, or it is off."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *PROGRAM,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None and process.stderr is not None
        asked = {
            "host": self._bmc.host,
            "port": self._bmc.port,
            "user": self._bmc.username,
            "password": self._bmc.password,
            "force": force,
        }
        up = False
        try:
            async with asyncio.timeout(OPEN_S):
                with suppress(ConnectionError):
                    process.stdin.write(json.dumps(asked).encode() + b"\n")
                    await process.stdin.drain()
                said = (await process.stderr.readline()).decode(errors="replace").strip()
            up = said == "connected"
            if not up:
                raise self._error(said.removeprefix("error").strip())
        except TimeoutError:
            raise Unavailable(
                f"{self._bmc.who} opens no serial line within {OPEN_S:.0f} s: check UDP port "
                f"{self._bmc.port}, and that serial over LAN is enabled"
            ) from None
        finally:
            if not up:
                await _end(process, within_s=0)
        self._process = process

    async def read(self) -> bytes:
        """What came; after a drop first a line that says so, then what comes after it."""
        if self._closed:
            return b""
        if self._process is None:
            await self._heal()
        process = self._process
        if process is None:
            return b""
        assert process.stdout is not None
        if data := await process.stdout.read(CHUNK_BYTES):
            return data
        if self._closed:
            return b""
        self._process = None
        await _end(process, within_s=0)
        return b"\r\n[the serial line was lost and is being opened again]\r\n"

    async def write(self, data: bytes) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        with suppress(ConnectionError):
            process.stdin.write(data)
            await process.stdin.drain()

    async def close(self) -> None:
        """The session ends in order if its BMC answers, and is let go of if not."""
        self._closed = True
        process, self._process = self._process, None
        self._left(self)
        if process is not None:
            await _end(process, within_s=CLOSE_S)

    async def _heal(self) -> None:
        loop = asyncio.get_running_loop()
        end_s = loop.time() + self._heal_s
        while not self._closed:
            try:
                await self.begin(force=True)
            except DriverError:
                if loop.time() + AGAIN_S > end_s:
                    raise
                await pause(AGAIN_S)
            else:
                break
        if self._closed and self._process is not None:  # It was closed while it opened again.
            process, self._process = self._process, None
            await _end(process, within_s=CLOSE_S)

    def _error(self, said: str) -> DriverError:
        known = next((words for found, words in WORDS.items() if found in said), "")
        if known:
            return Refused(f"{self._bmc.who}: {known}")
        return of_words(self._bmc.who, said, asks=True)


class SerialPort:
    """The serial line of one machine, for one at a time."""

    def __init__(self, bmc: Bmc, *, heal_s: float = HEAL_S) -> None:
        self._bmc, self._heal_s = bmc, heal_s
        self._held: SolLine | None = None

    @property
    def port(self) -> int:
        return self._bmc.port

    async def open(self) -> SolLine:
        """The line, up. Refused: somebody has it, here or elsewhere."""
        if self._held is not None:
            raise Refused(
                f"the serial line of {self._bmc.who} is open in another window or for another "
                "person, and there is one for one listener: close that one first"
            )
        line = SolLine(self._bmc, self._let_go, heal_s=self._heal_s)
        self._held = line
        try:
            await line.begin(force=False)
        except BaseException:
            self._held = None
            raise
        return line

    async def close(self) -> None:
        if self._held is not None:
            await self._held.close()

    def _let_go(self, line: SolLine) -> None:
        if self._held is line:
            self._held = None


def serial_port(who: str, address: NodeAddress, port: int, *, heal_s: float = HEAL_S) -> SerialPort:
    """The serial line of a machine whose BMC listens to IPMI at this port."""
    words = (address.host, port, address.username, address.password)
    return SerialPort(Bmc(who, *words), heal_s=heal_s)


async def _end(process: asyncio.subprocess.Process, *, within_s: float) -> None:
    """Its input ends, so it does; one that does not is killed."""
    if process.stdin is not None:
        process.stdin.close()
    if process.returncode is not None:
        return
    try:
        async with asyncio.timeout(within_s):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
