"""The tiny guest for tests: the image, built once below the repository's own `var`, and a QEMU.

QEMU runs with plain emulation, so what these helpers prove needs no hypervisor on the machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from guest.build import MEMORY_MIB, GuestImage, build
from guest.debs import Missing

HOME = Path(__file__).parents[2] / "var"
EMULATOR = "qemu-system-x86_64"
BOOT_S = 180.0


def absent(what: str) -> None:
    """Skip loudly for want of `what`; where peers are required, fail instead."""
    if os.environ.get("SAGASTACK_REQUIRE_PEERS") == "1":
        pytest.fail(f"SAGASTACK_REQUIRE_PEERS=1, but {what}")
    pytest.skip(f"NOT TESTED: {what}")


def image() -> GuestImage:
    """The built image, or a skip that says what the machine lacks."""
    if shutil.which(EMULATOR) is None:
        absent(f"{EMULATOR} is not installed")
    try:
        return build(HOME)
    except Missing as err:
        absent(f"the guest image cannot be built: {err}")
        raise


class Machine:
    """One running QEMU: its serial console as text, its monitor by QMP."""

    def __init__(self, process: asyncio.subprocess.Process, serial: Path, monitor: Path) -> None:
        self.process, self._serial, self._monitor = process, serial, monitor

    def console(self) -> str:
        return self._serial.read_text(errors="replace") if self._serial.exists() else ""

    async def wait_for(self, words: str, timeout_s: float = BOOT_S) -> str:
        """The console line that holds `words`, once it is there."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    for line in self.console().splitlines(keepends=True):
                        if words in line and line.endswith("\n"):
                            return line.rstrip()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(
                f"no {words!r} in {timeout_s} s; console:\n{self.console()}"
            ) from None

    async def press_power(self) -> None:
        """The ACPI power button, through QEMU's monitor."""
        reader, writer = await asyncio.open_unix_connection(str(self._monitor))
        await reader.readline()  # QEMU's greeting.
        for command in ("qmp_capabilities", "system_powerdown"):
            writer.write(json.dumps({"execute": command}).encode() + b"\n")
            answer: dict[str, Any] = json.loads(await reader.readline())
            assert "error" not in answer, answer
        writer.close()

    async def ended(self, timeout_s: float = 15.0) -> int:
        async with asyncio.timeout(timeout_s):
            return await self.process.wait()


@asynccontextmanager
async def machine(
    folder: Path, *arguments: str, memory_mib: int = MEMORY_MIB
) -> AsyncIterator[Machine]:
    """A q35 machine with SeaBIOS; whatever happens inside, the process is gone afterwards."""
    serial, monitor = folder / "serial.log", folder / "monitor"
    serial.unlink(missing_ok=True)
    process = await asyncio.create_subprocess_exec(
        *(EMULATOR, "-machine", "q35,accel=tcg", "-m", str(memory_mib), "-nodefaults"),
        *("-no-user-config", "-display", "none", "-serial", f"file:{serial}"),
        *("-qmp", f"unix:{monitor},server=on,wait=off", *arguments),
    )
    try:
        yield Machine(process, serial, monitor)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
