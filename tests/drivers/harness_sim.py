"""The simulator, ready to be checked: two hosts and a pool in one world."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

from msgspec.structs import replace

from drivers.conformance import Harness
from drivers.contract.compute import DiskAttachment, GuestSpec, HostAddress, NicSpec
from drivers.contract.driver import HostSession
from drivers.contract.hooks import HookEnd, HookStage, end_of
from drivers.contract.routing import Segment
from drivers.contract.storage import ImageSource, PoolSpec
from drivers.sim import SimDriver, SimFaults, SimWorld
from drivers.sim.rows import SimDisk
from drivers.sim.session import SimSession

SECOND_POOL = uuid4()
MIB = 1024**2


def missing() -> str:
    """The simulator runs wherever the tests do."""
    return ""


class SimHarness:
    """Verbs take a moment, so that a cancelled one may have happened or not."""

    name = "sim"
    verb_s = 30.0
    settle_s = 10.0
    grace_s = 0.02

    def __init__(self, folder: str = "") -> None:
        self._folder = folder
        self._world = SimWorld()
        faults = SimFaults(7, delays_s={"*": 0.002}, shutdown_s=self.grace_s)
        self.driver = SimDriver(self._world, faults)
        self._image_id = uuid4()
        self._pool = PoolSpec(pool_id=uuid4(), url="nfs://store.test/primary?capacity_gib=100")
        self._numbers = count(1)

    def address(self) -> HostAddress:
        return HostAddress(url="sim://one.test?cpus=4&memory_gib=8")

    def wrong_address(self) -> HostAddress:
        return HostAddress(url="sim://nobody.test?unreachable=1")

    def second_address(self) -> HostAddress | None:
        return HostAddress(url="sim://two.test?cpus=4&memory_gib=8")

    async def connect(self) -> HostSession:
        return await self.driver.connect(self.address())

    def pool(self) -> PoolSpec:
        return self._pool

    def image(self) -> ImageSource:
        return ImageSource(
            image_id=self._image_id,
            path="/images/tiny.qcow2",
            image_format="qcow2",
            virtual_bytes=64 * MIB,
        )

    def scratch(self) -> str:
        return f"{self._folder}/image-{next(self._numbers)}"

    def second_pool(self) -> PoolSpec:
        return PoolSpec(pool_id=SECOND_POOL, url="nfs://store.test/second?capacity_gib=100")

    async def write(self, path: str, byte: int) -> None:
        self._world.commit(replace(self._disk(path), content=str(byte)))

    async def read(self, path: str) -> int:
        content = self._disk(path).content
        return int(content) if content.isdigit() else 0

    async def write_in_guest(self, guest_id: UUID, path: str, byte: int) -> None:
        await self.write(path, byte)

    def _disk(self, path: str) -> SimDisk:
        disks = (disk for held in self._world.disks.values() for disk in held.values())
        return next(disk for disk in disks if disk.path == path)

    def broken_image(self) -> ImageSource | None:
        return ImageSource(
            image_id=uuid4(), path="/images/cat.jpeg", image_format="jpeg", virtual_bytes=MIB
        )

    def guest(
        self, *, disks: Sequence[DiskAttachment] = (), nics: Sequence[NicSpec] = ()
    ) -> GuestSpec:
        return guest_spec(uuid4(), disks=disks, nics=nics)

    def too_large(self) -> GuestSpec:
        return guest_spec(uuid4(), memory_mib=9 * 1024)

    def nic(self) -> NicSpec:
        return NicSpec(nic_id=uuid4(), mac=f"02:00:00:00:00:{next(self._numbers):02x}")

    async def add_stranger(self) -> str | None:
        return self._world.add_stranger(self.address().url, "not-ours").name

    async def hook(self, stage: HookStage, status: int | None) -> str:
        end = HookEnd.ABSENT if status is None else end_of(status)
        self._world.set_hook(self.address().url, stage, end, "it ran: a b $(c) d")
        return "/hooks"

    async def hook_runs(self, stage: HookStage) -> int:
        return sum(run.stage is stage for run in self._world.hook_runs.values())

    async def segments(self) -> tuple[Segment, Segment]:
        return Segment(bridge="guests", vlan=7), Segment(bridge="public")

    async def garble(self, after: int | None) -> bool | None:
        return None

    async def disconnect(self, session: HostSession) -> bool:
        assert isinstance(session, SimSession)
        session.drop()
        return True


def guest_spec(
    guest_id: UUID,
    *,
    disks: Sequence[DiskAttachment] = (),
    nics: Sequence[NicSpec] = (),
    memory_mib: int = 512,
) -> GuestSpec:
    """A small guest."""
    return GuestSpec(
        guest_id=guest_id,
        name=f"guest-{guest_id.hex[:8]}",
        cpu_count=1,
        cpu_mhz=1000,
        memory_mib=memory_mib,
        disks=tuple(disks),
        nics=tuple(nics),
    )


@asynccontextmanager
async def harness() -> AsyncIterator[Harness]:
    """A new world; whatever a check leaves in it, strangers aside, is the check's own fault."""
    with TemporaryDirectory() as folder:
        sim = SimHarness(folder)
        yield sim
    left = sim.driver.world.residue()
    ours = [guest for guest in left.guests if guest.guest_id is not None]
    assert not ours and not left.disks, f"left over: {ours} {left.disks}"
    await sim.driver.close()
