"""One simulated data centre for several controllers: over lines that break, and over restarts."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from drivers.contract.compute import HostAddress
from drivers.contract.driver import HostSession
from drivers.contract.errors import Refused, Unavailable, Unknown
from drivers.sim import RemoteSim, SimDriver, SimFaults, SimWorld, make
from drivers.sim.server import serving
from tests.drivers.harness_sim import guest_spec
from tests.peers.relay import Relay

ONE = HostAddress(url="sim://one.test?cpus=4&memory_gib=8")
START_S = 120


@asynccontextmanager
async def simulator(
    state: Path, port: int = 0, settings: str = ""
) -> AsyncIterator[tuple[int, int]]:
    """`sagastack simulate` as a user starts it: its port and its process."""
    command = [
        *("-m", "sagastack.cli", "--home", str(state.parent), "simulate"),
        *("--listen", f"127.0.0.1:{port}", "--state", str(state)),
    ]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "SAGASTACK_SIMULATOR": settings},
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_S):
            said = (await process.stdout.readline()).decode()
        yield int(said.rpartition(":")[2]), process.pid
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_killed_simulator_comes_back_with_all_that_it_answered(tmp_path: Path) -> None:
    """Guests, and the keys that undid some: a late start is refused by the next life too."""
    state, key, late = tmp_path / "world.jsonl", uuid4(), uuid4()
    stays, undone = guest_spec(uuid4()), guest_spec(uuid4())
    async with simulator(state) as (port, pid):
        one = await RemoteSim("127.0.0.1", port).connect(ONE)
        await one.start_guest(stays, key=key)
        await one.start_guest(undone, key=late)
        await one.remove_guest(undone.guest_id, key=late)
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(Unavailable, match="sagastack simulate"):
        for _ in range(2):
            await one.inspect()
    async with simulator(state, port):
        found = await one.find_guest(stays.guest_id)
        assert found is not None and found.key == key
        other = await RemoteSim("127.0.0.1", port).connect(ONE)
        for session in (one, other):
            with pytest.raises(Refused, match="remove_guest"):
                await session.start_guest(undone, key=late)
            assert [guest.guest_id for guest in await session.list_guests()] == [stays.guest_id]


@asynccontextmanager
async def slow_world(delay_s: float) -> AsyncIterator[tuple[SimDriver, int]]:
    far = SimDriver(SimWorld(), SimFaults(7, delays_s={"start_guest": delay_s, "inspect": delay_s}))
    async with serving(far, "127.0.0.1", 0) as port:
        yield far, port


async def lost(verb: Awaitable[object], line: Relay) -> BaseException:
    """How a verb fails whose line is cut while it is under way."""

    async def cut() -> None:
        await asyncio.sleep(0.1)
        line.cut()

    answer, _ = await asyncio.gather(verb, cut(), return_exceptions=True)
    assert isinstance(answer, BaseException), "it was answered over a line that was cut"
    return answer


async def test_an_answer_that_never_came_is_told_by_what_was_asked() -> None:
    """A change may have happened, and did; a look is asked again."""
    spec, key = guest_spec(uuid4()), uuid4()
    async with slow_world(0.6) as (far, port), Relay("127.0.0.1", port) as line:
        one = await RemoteSim("127.0.0.1", line.port).connect(ONE)
        assert isinstance(await lost(one.start_guest(spec, key=key), line), Unknown)
        assert isinstance(await lost(one.inspect(), line), Unavailable)
        told = await one.start_guest(spec, key=key)
        assert told.key == key
        assert len(far.world.residue().guests) == 1


async def test_a_simulator_outlives_those_who_asked_it(tmp_path: Path) -> None:
    """In a process of its own, with its own event loop: what was asked goes on, and so does it."""
    spec, state = guest_spec(uuid4()), tmp_path / "world.jsonl"
    async with simulator(state, settings="delay_s.start_guest=0.6") as (port, _):
        async with Relay("127.0.0.1", port) as line:
            one = await RemoteSim("127.0.0.1", line.port).connect(ONE)
            for _ in range(2):
                start = one.start_guest(spec, key=uuid4())
                assert isinstance(await lost(start, line), Unknown)
        other = await RemoteSim("127.0.0.1", port).connect(ONE)
        async with asyncio.timeout(60):
            while not await other.list_guests():  # noqa: ASYNC110 (what is asked goes on by itself)
                await asyncio.sleep(0.05)
        assert [guest.guest_id for guest in await other.list_guests()] == [spec.guest_id]


async def test_what_cannot_be_sent_is_unavailable() -> None:
    async with slow_world(0.0) as (_, port):
        pass
    with pytest.raises(Unavailable):
        await RemoteSim("127.0.0.1", port).connect(ONE)


async def test_a_simulator_that_is_stuck_is_not_waited_for() -> None:
    async with slow_world(5.0) as (_, port):
        one = await RemoteSim("127.0.0.1", port, answer_s=0.2).connect(ONE)
        with pytest.raises(Unknown, match="did not answer start_guest"):
            await one.start_guest(guest_spec(uuid4()), key=uuid4())
        with pytest.raises(Unavailable, match="did not answer inspect"):
            await one.inspect()


async def test_a_paused_controller_does_nothing_when_it_wakes_up() -> None:
    """Its start was undone by another controller, over another line, before it was ever sent."""
    spec, key = guest_spec(uuid4()), uuid4()
    async with slow_world(0.0) as (far, port):
        paused, other = [await _session(port) for _ in range(2)]
        await other.remove_guest(spec.guest_id, key=key)
        with pytest.raises(Refused):
            await paused.start_guest(spec, key=key)
        assert not far.world.residue()


async def _session(port: int) -> HostSession:
    return await RemoteSim("127.0.0.1", port).connect(ONE)


async def test_a_line_that_speaks_something_else_is_closed_and_others_go_on() -> None:
    async with slow_world(0.0) as (_, port):
        one = await _session(port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(60):
            assert await reader.read() == b""
        writer.close()
        assert (await one.inspect()).cpu_count == 4


def test_settings_say_where_the_world_is() -> None:
    assert isinstance(make({"server": "127.0.0.1:9", "state": "x"}), RemoteSim)
    assert isinstance(make({}), SimDriver)
    with pytest.raises(Refused, match=r"set delay_s for `sagastack simulate`"):
        make({"server": "127.0.0.1:9", "delay_s": "1"})
    for wrong in ("here", "host:port", "1.2.3.4:99999"):
        with pytest.raises(Refused, match="write host:port"):
            make({"server": wrong})
