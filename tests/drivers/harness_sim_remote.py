"""The simulator as a process of its own, ready to be checked: the same world behind a line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import TemporaryDirectory

from drivers.conformance import Harness
from drivers.contract.driver import HostSession
from drivers.sim import RemoteSim, SimDriver
from drivers.sim.remote import RemoteSession
from drivers.sim.server import serving
from tests.drivers.harness_sim import SimHarness


def missing() -> str:
    """The simulator runs wherever the tests do."""
    return ""


class RemoteHarness(SimHarness):
    """What nature does is done to the world itself; all that a driver does goes over the line."""

    name = "sim over a line"

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self.far: SimDriver = self.driver

    def reach(self, port: int) -> RemoteSim:
        remote = RemoteSim("127.0.0.1", port)
        self.driver = remote  # type: ignore[assignment]
        return remote

    async def disconnect(self, session: HostSession) -> bool:
        assert isinstance(session, RemoteSession)
        session.drop()
        return True


@asynccontextmanager
async def harness() -> AsyncIterator[Harness]:
    """A new world and a line to it."""
    with TemporaryDirectory() as folder:
        sim = RemoteHarness(folder)
        async with serving(sim.far, "127.0.0.1", 0) as port:
            remote = sim.reach(port)
            yield sim
            await remote.close()
    left = sim.far.world.residue()
    ours = [guest for guest in left.guests if guest.guest_id is not None]
    assert not ours and not left.disks, f"left over: {ours} {left.disks}"
