"""A machine that is not there: power, disks, a firmware that boots, and an agent that obeys.

It stands in for hardware, so that a check costs milliseconds. What crosses the network is real:
its firmware fetches the boot script and its agent speaks HTTP as `guest/agent-init` does, from the
description in `docs/drivers/baremetal.md`; no line of the driver is used here. Its disks are files.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import aiohttp

SECTOR = 512
LABEL_AT, LABEL_BYTES = 2040 * SECTOR, 2 * SECTOR


@dataclass
class Faults:
    """What is wrong with a machine or its BMC.

    `deaf`: it is powered but boots nothing. `sticks`: its power cannot be turned off. `denies`:
    its BMC says off while it is on. `late_s`: its BMC tells of a change only after so long.
    `garbles`: what is written to its disks is not what comes back. `installs`: its installer
    `reports` and restarts, `turns off` or `restarts` without a word, `fails`, or `hangs`.
    """

    deaf: bool = False
    sticks: bool = False
    denies: bool = False
    late_s: float = 0.0
    garbles: bool = False
    installs: str = "reports"


@dataclass
class Machine:
    """`boots_from` is the controller's provisioning URL, as DHCP would have told it."""

    mac: str
    folder: Path
    disk_bytes: tuple[int, ...]
    boots_from: str = ""
    cpus: int = 4
    memory_mib: int = 8192
    uuid: str = field(default_factory=lambda: str(uuid4()))
    faults: Faults = field(default_factory=Faults)
    target: str = "None"
    once: bool = False
    boots: list[str] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)
    fetched: dict[str, bytes] = field(default_factory=dict)
    on: bool = False
    runs_system: bool = False
    _running: asyncio.Task[None] | None = None
    _group: asyncio.TaskGroup | None = None
    _presses: asyncio.Event = field(default_factory=asyncio.Event)

    # ---- what a person or a BMC does to it ---------------------------------------------------

    def plug_in(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self.folder.mkdir(parents=True, exist_ok=True)
        for number, size in enumerate(self.disk_bytes):
            with self.disk(number).open("wb") as file:
                file.truncate(size)

    def disk(self, number: int) -> Path:
        return self.folder / f"sd{chr(ord('a') + number)}"

    def serial(self, number: int) -> str:
        return f"SN{self.mac.replace(':', '')}{number}"

    def turn_on(self) -> None:
        assert self._group is not None
        if not self.on:
            self.on = True
            self._running = self._group.create_task(self._run())

    async def turn_off(self) -> None:
        if self.faults.sticks:
            return
        running, self._running, self.on = self._running, None, False
        self.runs_system = False
        if running is not None:
            running.cancel()
            await asyncio.wait([running])

    async def reset(self) -> None:
        await self.turn_off()
        self.turn_on()

    def press(self) -> None:
        """The power button, shortly: a system heeds it, the agent and the firmware do not."""
        self._presses.set()

    # ---- what it does ------------------------------------------------------------------------

    async def _run(self) -> None:
        device = self.target
        if self.once:
            self.target, self.once = "None", False
        if self.faults.deaf:
            await asyncio.Event().wait()
        if device in ("Pxe", "UefiHttp"):
            await self._boot_network()
        elif self._bootable():
            await self._boot_disk()
        else:
            await self._boot_network()

    def _bootable(self) -> bool:
        """Whether any disk can be booted from: the firmware tries them in their order."""
        for number in range(len(self.disk_bytes)):
            with self.disk(number).open("rb") as file:
                if file.read(SECTOR)[510:] == b"\x55\xaa":
                    return True
        return False

    async def _boot_disk(self) -> None:
        self.boots.append("disk")
        self.runs_system = True
        self._presses.clear()
        await self._presses.wait()
        await asyncio.sleep(0.02)
        self.runs_system = self.on = False

    async def _boot_network(self) -> None:
        async with aiohttp.ClientSession() as http:
            try:
                async with http.get(f"{self.boots_from}/boot/{self.mac}") as answer:
                    script = await answer.text()
            except aiohttp.ClientError:
                script = ""
            asked = re.search(r"kernel (\S+/install/\S+)/kernel (.*)", script)
            if asked is not None:
                self.boots.append("installer")
                await self._install(http, asked[1], asked[2])
                return
            found = re.search(r"sagastack\.url=(\S+)", script)
            if found is None:
                if "sanboot" in script and self._bootable():
                    await self._boot_disk()
                await asyncio.Event().wait()
            assert found is not None
            self.boots.append("agent")
            await self._agent(http, found[1])

    # ---- an installer ------------------------------------------------------------------------

    async def _install(self, http: aiohttp.ClientSession, at: str, cmdline: str) -> None:
        """As an installer does: its parts, its answers, a system on its first disk, a word."""
        for part in ("kernel", "initrd"):
            async with http.get(f"{at}/{part}") as answer:
                self.fetched[part] = await answer.read()
        url = next(one.removeprefix("url=") for one in cmdline.split() if one.startswith("url="))
        async with http.get(url) as answer:
            self.fetched["answers"] = await answer.read()
        how = self.faults.installs
        if how == "hangs":
            await asyncio.Event().wait()
        told = dict(line.split(" ", 1) for line in self.fetched["answers"].decode().splitlines())
        if how == "fails":
            await http.post(told["failed"], data="the mirror has no such release")
            await asyncio.Event().wait()
        with self.disk(0).open("r+b") as file:
            file.seek(SECTOR - 2)
            file.write(b"\x55\xaa" + b"a system that was installed")
        if how == "reports":
            await http.post(told["done"])
        if how == "turns off":
            self.on = False
            return
        await asyncio.sleep(0.02)
        if self.target in ("Pxe", "UefiHttp"):
            await self._boot_network()
        else:
            await self._boot_disk()

    # ---- the agent ---------------------------------------------------------------------------

    async def _agent(self, http: aiohttp.ClientSession, url: str) -> None:
        while True:
            with suppress(aiohttp.ClientError):
                async with http.post(f"{url}/hello", data=self._report()) as answer:
                    if answer.status == 200:
                        break
            await asyncio.sleep(0.05)
        while True:
            try:
                async with http.get(f"{url}/order") as answer:
                    line = (await answer.text()).split() if answer.status == 200 else []
            except aiohttp.ClientError:
                line = []
            if not line:
                await asyncio.sleep(0.05)
                continue
            if line[1] == "wait":
                continue
            self.orders.append(" ".join(line))
            result = await self._carry_out(http, url, line)
            while True:
                with suppress(aiohttp.ClientError):
                    async with http.post(f"{url}/done/{line[0]}", data=result) as answer:
                        if answer.status in (200, 410):
                            break
                await asyncio.sleep(0.05)

    async def _carry_out(self, http: aiohttp.ClientSession, url: str, line: list[str]) -> str:
        number, verb, name, *rest = line
        path = self.folder / name
        if not path.exists():
            return f"failed: there is no disk {name}"
        if verb == "wipe":
            size = path.stat().st_size
            os.truncate(path, 0)
            os.truncate(path, size)
            return "ok"
        if verb != "write":
            return f"failed: this agent knows no order {verb}"
        at, size, wanted = int(rest[0]), int(rest[1]), rest[2]
        summed = hashlib.sha256()
        try:
            async with http.get(f"{url}/data/{number}") as answer:
                with path.open("r+b") as file:
                    file.seek(at)
                    async for chunk in answer.content.iter_chunked(1 << 20):
                        summed.update(chunk)
                        _put(file.fileno(), file.tell(), chunk)
                        file.seek(len(chunk), os.SEEK_CUR)
        except aiohttp.ClientError as error:
            return f"failed to fetch it: {error}"
        if summed.hexdigest() != wanted:
            return f"failed to fetch it whole: its checksum is {summed.hexdigest()}, not {wanted}"
        if self.faults.garbles:
            with path.open("r+b") as file:
                _put(file.fileno(), at, b"?")
            return f"failed: disk {name} gives back other bytes than were written"
        assert size >= 0
        return "ok"

    def _report(self) -> str:
        lines = [
            f"uuid {self.uuid}",
            f"cpus {self.cpus}",
            "mhz 798.113",  # It saves power.
            "rated booted 2400",
            f"memory_kib {self.memory_mib * 1024}",
            "model Stand-in R1",
            f"nic eth0 {self.mac} up",
        ]
        for number, size in enumerate(self.disk_bytes):
            with self.disk(number).open("rb") as file:
                first = file.read(1 << 20)
            state = "used" if any(first) else "blank"
            name = self.disk(number).name
            lines.append(f"disk {name} {size} 0 {state} {self.serial(number)} Stand-in disk")
            text = first[LABEL_AT : LABEL_AT + LABEL_BYTES].replace(b"\0", b"")
            lines.append(
                f"label {name} {text.decode(errors='replace').splitlines()[:1] or ['']}".replace(
                    "['", ""
                ).replace("']", "")
            )
        return "\n".join(lines) + "\n"


def _put(descriptor: int, at: int, chunk: bytes) -> None:
    """Zeros onto a hole are left a hole, so that a disk of many MiB takes no room."""
    if any(chunk):
        os.pwrite(descriptor, chunk, at)
        return
    if any(os.pread(descriptor, len(chunk), at)):
        os.pwrite(descriptor, chunk, at)
