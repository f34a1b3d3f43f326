"""BMCs that speak IPMI: who may, who answers, and what they are told.

The far side is pyghmi's own server in a process of its own.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from drivers.baremetal.address import parse
from drivers.baremetal.bmc import Boot, Turn
from drivers.baremetal.ipmi import IpmiBmc
from drivers.contract.compute import HostAddress
from drivers.contract.errors import Refused, Unavailable
from tests.peers.baremetal.rack import free_port

ROOT = Path(__file__).parents[2]
PROGRAM = ("-m", "tests.peers.baremetal.plain_ipmi")


class Peer:
    """The BMC's process, which may be ended and begun again on its port."""

    def __init__(self) -> None:
        self.port = free_port(socket.SOCK_DGRAM)
        self.begin()

    def begin(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *PROGRAM, str(self.port), "admin", "secret"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"listening\n"

    def end(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=60)


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.end()


@asynccontextmanager
async def bmc(
    port: int, *, user: str = "admin", password: str = "secret", call_s: float = 30.0
) -> AsyncIterator[IpmiBmc]:
    url = f"ipmi://127.0.0.1:{port}/?mac=52:54:00:00:00:01&provision=lo"
    made = IpmiBmc(parse(HostAddress(url=url, username=user, password=password)), call_s)
    try:
        yield made
    finally:
        await made.close()


async def test_power_and_boot_device_are_set(peer: Peer) -> None:
    async with bmc(peer.port) as one:
        assert not await one.is_on()
        await one.boot_from(Boot.NETWORK, once=True, uefi=False)
        await one.turn(Turn.ON)
        assert await one.is_on()
        await one.turn(Turn.SOFT)
        assert not await one.is_on()
        assert (await one.facts()).model.startswith("manufacturer")
        assert await one.sensors() == ()


async def test_a_wrong_password_is_refused(peer: Peer) -> None:
    async with bmc(peer.port, password="wrong") as one:
        with pytest.raises(Refused, match="is wrong: give the BMC's own user and password"):
            await one.is_on()


async def test_a_bmc_that_is_silent_to_a_stranger_says_so(peer: Peer) -> None:
    """It does not answer an unknown user at all, which is told as one of the reasons."""
    async with bmc(peer.port, user="nobody", call_s=2.0) as one:
        with pytest.raises(Unavailable, match="and the user"):
            await one.is_on()


async def test_a_bmc_that_is_not_there_is_unavailable_in_time() -> None:
    async with bmc(free_port(socket.SOCK_DGRAM)) as one:
        began_s = time.monotonic()
        with pytest.raises(Unavailable, match="does not answer"):
            await one.is_on()
        assert time.monotonic() - began_s < 40


async def test_a_bmc_that_was_reset_is_spoken_to_again() -> None:
    own = Peer()
    try:
        async with bmc(own.port) as one:
            await one.turn(Turn.ON)
            own.end()
            own.begin()
            assert not await one.is_on(), "a new session says what the new process knows"
    finally:
        own.end()
