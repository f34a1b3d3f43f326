"""A machine's serial line over IPMI: bytes both ways, one listener at a time, back after a drop.

The far side is pyghmi's own BMC in a process of its own; behind it a line that shouts back.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from drivers.baremetal.address import parse
from drivers.baremetal.bmc import Turn
from drivers.baremetal.ipmi import IpmiBmc
from drivers.baremetal.redfish import Service
from drivers.baremetal.redfish_bmc import RedfishBmc
from drivers.contract.compute import HostAddress
from drivers.contract.console import SerialLine
from drivers.contract.errors import Refused
from drivers.kit.tls import Trust
from tests.drivers import harness_baremetal as rig
from tests.peers.baremetal.machine import Machine
from tests.peers.baremetal.rack import free_port
from tests.peers.baremetal.redfish_bmc import RedfishServer, serving

ROOT = Path(__file__).parents[2]
PROGRAM = ("-m", "tests.peers.baremetal.plain_ipmi")
ANSWER_S = 30.0


@dataclass
class Bench:
    """The BMC's process and our end of it."""

    process: subprocess.Popen[bytes]
    port: int

    def bmc(self, password: str = "secret") -> IpmiBmc:
        url = f"ipmi://127.0.0.1:{self.port}/?mac=52:54:00:00:00:01&provision=lo"
        address = HostAddress(url=url, username="admin", password=password)
        return IpmiBmc(parse(address), heal_s=20.0)


async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The machine: what is typed comes back in capitals."""
    writer.write(b"BOOTED\r\n")
    with suppress(asyncio.CancelledError):  # The server's own end.
        while data := await reader.read(4096):
            writer.write(data.upper())
    writer.close()


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    line, port = folder / "line", free_port(socket.SOCK_DGRAM)
    server = await asyncio.start_unix_server(shout, line)
    process = await asyncio.to_thread(begun, port, line)
    try:
        yield Bench(process, port)
    finally:
        process.kill()
        process.communicate(timeout=60)
        server.close()


def begun(port: int, line: Path) -> subprocess.Popen[bytes]:
    """The BMC, listening."""
    process = subprocess.Popen(
        [sys.executable, *PROGRAM, str(port), "admin", "secret", str(line)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"listening\n"
    return process


async def opened(bmc: IpmiBmc) -> SerialLine:
    console = await bmc.console()
    assert (console.protocol, console.line is None) == ("sol", False)
    assert console.line is not None
    return await console.line()


async def until(line: SerialLine, words: bytes) -> bytes:
    heard = b""
    async with asyncio.timeout(ANSWER_S):
        while words not in heard:
            data = await line.read()
            assert data, heard
            heard += data
    return heard


async def test_bytes_go_both_ways_and_one_listens_at_a_time(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        first, second = one.bmc(), one.bmc()
        try:
            with pytest.raises(Refused, match="enable serial over LAN"):
                await opened(first)
            await first.turn(Turn.ON)
            line = await opened(first)
            with pytest.raises(Refused, match="open in another window"):
                await opened(first)
            with pytest.raises(Refused, match="somebody else listens"):
                await opened(second)
            text = b"every byte of this goes there and back " * 20
            await line.write(text)
            assert text.upper() in (await until(line, text.upper())).replace(b"\r", b"")
            assert await first.is_on(), "the BMC is asked other things meanwhile"
            await line.close()
            assert await line.read() == b""
            await (await opened(second)).close()
        finally:
            await first.close()
            await second.close()


async def test_a_line_that_dropped_comes_back(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        bmc = one.bmc()
        try:
            await bmc.turn(Turn.ON)
            line = await opened(bmc)
            await line.write(b"before")
            await until(line, b"BEFORE")
            one.process.send_signal(signal.SIGUSR1)
            await asyncio.sleep(0.1)
            await line.write(b"lost")
            await until(line, b"being opened again")
            reading = asyncio.ensure_future(until(line, b"AFTER"))
            while not reading.done():
                await line.write(b"after")
                await asyncio.wait([reading], timeout=0.5)
            await reading
        finally:
            await bmc.close()


async def test_a_line_that_is_closed_while_it_comes_back_is_free(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        first, second = one.bmc(), one.bmc()
        try:
            await first.turn(Turn.ON)
            line = await opened(first)
            await line.write(b"before")
            await until(line, b"BEFORE")
            one.process.send_signal(signal.SIGUSR1)
            await until(line, b"being opened again")
            reading = asyncio.ensure_future(line.read())
            await asyncio.sleep(0.05)
            await line.close()
            await asyncio.wait([reading], timeout=30)
            assert reading.done()
            assert reading.result() == b""
            await (await opened(second)).close()
        finally:
            await first.close()
            await second.close()


async def test_a_wrong_password_opens_no_line(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        bmc = one.bmc(password="wrong")
        try:
            with pytest.raises(Refused, match="password is wrong"):
                await opened(bmc)
        finally:
            await bmc.close()


async def test_a_line_that_redfish_tells_of_is_carried_too(tmp_path: Path) -> None:
    machine = Machine(mac=rig.MAC, folder=tmp_path / "disks", disk_bytes=(1 << 20,))
    server = RedfishServer({"1": machine})
    async with bench(tmp_path) as one, serving(server) as port:
        power = one.bmc()
        await power.turn(Turn.ON)
        await power.close()
        of_bmc = {"ServiceEnabled": True, "ConnectTypesSupported": ["SSH", "IPMI"]}
        at = parse(HostAddress(url=rig.url(port, 1, rig.MAC), username="admin", password="secret"))
        bmc = RedfishBmc(at, Service(at, Trust()))
        try:
            server.serial, server.of_bmc = {}, of_bmc
            assert (await bmc.console()).url == "ipmi-sol://127.0.0.1:623"
            server.serial = {"IPMI": {"ServiceEnabled": True, "Port": one.port}}
            console = await bmc.console()
            assert console.line is not None
            line = await console.line()
            await line.write(b"hello")
            await until(line, b"HELLO")
            server.serial = {"IPMI": {"ServiceEnabled": False}}
            with pytest.raises(Refused, match="enable serial over LAN"):
                await bmc.console()
        finally:
            await bmc.close()
