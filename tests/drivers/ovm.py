"""A harness for both versions of Oracle VM: two agents, two exports, and what nature does there."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

from drivers.conformance.usual import Usual
from drivers.contract.compute import HostAddress, NicSpec
from drivers.contract.driver import Driver, HostSession
from drivers.contract.storage import ImageSource, PoolSpec
from drivers.oraclevm.driver import make_all
from tests.peers.certificate import new
from tests.peers.oraclevm.agent2 import Agent2
from tests.peers.oraclevm.agent3 import Agent3
from tests.peers.oraclevm.wire import PASSWORD, USER
from tests.peers.oraclevm.world import Domain, World

MIB = 1024**2
EXPORTS = ("store.test:/one", "store.test:/two")
_numbers = itertools.count(1)


class Site:
    """Two machines and their agents, on loopback addresses that nobody else of this run has."""

    def __init__(self, folder: Path, kind: str, base: str = "") -> None:
        self.folder, self.kind = folder, kind
        number = next(_numbers)
        self.base = base or f"127.{100 + os.getpid() % 100}.{number % 250}"
        self.world = World(nowhere=folder / "nowhere")
        for export in EXPORTS:
            self.world.exports[export] = folder / export.rpartition("/")[2]
            self.world.exports[export].mkdir()
        made = Agent3 if kind == "Ovm3" else Agent2
        self.agents: list[Agent2 | Agent3] = []
        for last in (1, 2):
            ip = f"{self.base}.{last}"
            machine = self.world.machine(ip, f"ovm-{last}")
            self.agents.append(made(self.world, machine, new(ip)))

    @property
    def mounts(self) -> str:
        return " ".join(f"{export}@{path}" for export, path in self.world.exports.items())

    @property
    def pins(self) -> str:
        """Of all but the first: that one's are said in its URL, or are not."""
        others = self.agents[1:]
        return " ".join(f"{one.machine.ip}@{one.line.certificate.pin}" for one in others)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Site]:
        async with AsyncExitStack() as stack:
            port = 0
            for one in self.agents:
                await stack.enter_async_context(one.line.serving(one.machine.ip, port))
                port = one.line.port
            yield self

    def address(self, number: int, **more: str) -> HostAddress:
        one = self.agents[number]
        asked = {"pin": one.line.certificate.pin} | more
        query = "&".join(f"{name}={value}" for name, value in asked.items())
        url = f"{self.kind.lower()}://{one.machine.ip}:{one.line.port}?{query}"
        return HostAddress(url=url, username=USER, password=PASSWORD)

    def driver(self) -> Driver:
        settings = {"mounts": self.mounts, "pins": self.pins}
        return next(one for one in make_all(settings) if one.kind == self.kind)

    def file(self, path: str) -> Path:
        export, _, within = path.partition("//")
        return self.world.exports[export] / within


class OracleHarness(Usual):
    """The world is new for each check."""

    verb_s = 60.0
    settle_s = 30.0
    grace_s = 0.3
    guest_mib = 256
    too_large_mib = 1024**2

    def __init__(self, site: Site) -> None:
        self.site, self.name, self.driver = site, site.kind, site.driver()
        self._image = site.folder / "image.raw"
        with self._image.open("wb") as file:
            file.write(b"a system\n" * 100)
            file.truncate(64 * MIB)
        self._image_id = uuid4()
        self.pools = [
            PoolSpec(pool_id=uuid4(), url=f"nfs://{one.replace(':', '')}") for one in EXPORTS
        ]
        self._cards = itertools.count(1)

    def address(self) -> HostAddress:
        return self.site.address(0)

    def wrong_address(self) -> HostAddress:
        return HostAddress(url=f"{self.name.lower()}://{self.site.base}.9:9", username=USER)

    def second_address(self) -> HostAddress | None:
        return self.site.address(1)

    def image(self) -> ImageSource:
        return ImageSource(
            image_id=self._image_id,
            path=str(self._image),
            image_format="raw",
            virtual_bytes=64 * MIB,
        )

    def scratch(self) -> str:
        return str(self.site.folder / f"scratch-{uuid4().hex}")

    def nic(self) -> NicSpec:
        return NicSpec(nic_id=uuid4(), mac=f"00:21:F6:00:00:{next(self._cards):02x}", vlan=160)

    async def write(self, path: str, byte: int) -> None:
        with self.site.file(path).open("r+b") as file:
            file.write(bytes([byte]))

    async def read(self, path: str) -> int:
        with self.site.file(path).open("rb") as file:
            return file.read(1)[0]

    async def write_in_guest(self, guest_id: UUID, path: str, byte: int) -> None:
        within = path.partition("//")[2]
        users = [
            one
            for machine in self.site.world.machines.values()
            for one in machine.domains.values()
            if any(within.rpartition("/")[2] in line for line in one.disks)
        ]
        assert [one.state for one in users] == ["-b----"], f"{path} is used by {users}"
        await self.write(path, byte)

    async def add_stranger(self) -> str | None:
        return await asyncio.to_thread(self._stranger)

    def _stranger(self) -> str:
        """Made through the manager's own tools, with its definition in a repository."""
        agent = self.site.agents[0]
        name = f"stranger-{uuid4().hex[:8]}"
        if isinstance(agent, Agent2):
            agent.machine.run(Domain(name, str(uuid4()), 1, 64, [], []))
            return name
        vm, repo = str(uuid4()), next(iter(agent.repositories))
        path = f"/OVS/Repositories/{repo}/VirtualDisks/{vm}.img"
        with agent.machine.file(path).open("wb") as file:
            file.truncate(MIB)
        disks = [f"file:{path},xvda,w"]
        params = {"name": name, "memory": "64", "vcpus": 1, "disk": disks, "vif": []}
        agent._write(repo, vm, params)
        agent.machine.run(Domain(name, vm, 1, 64, disks, []))
        return name

    async def disconnect(self, session: HostSession) -> bool:
        self.site.agents[0].line.cut()
        return True

    async def garble(self, after: int | None) -> bool | None:
        return self.site.agents[0].line.garble.wish(after)


@asynccontextmanager
async def serve(kind: str) -> AsyncIterator[OracleHarness]:
    """What a check leaves behind, strangers aside, is the check's own fault."""
    with TemporaryDirectory() as folder:
        site = Site(Path(folder), kind)
        async with site.serving():
            ready = OracleHarness(site)
            try:
                yield ready
            finally:
                await ready.driver.close()
        assert left(site) == [], "left over"


def left(site: Site) -> list[str]:
    """Domains, definitions, disks, snapshots and scratch that are there still."""
    found = [
        one.name
        for machine in site.world.machines.values()
        for one in machine.domains.values()
        if not one.name.startswith("stranger-")
    ]
    for export in site.world.exports.values():
        for pattern in ("VirtualMachines/*", "running_pool/*", ".sagastack/snapshots/*"):
            found += [str(one) for one in export.glob(pattern) if not _is_strangers(site, one)]
        for pattern in ("VirtualDisks/*", ".sagastack/config/*", ".sagastack/incoming/*"):
            found += [str(one) for one in export.glob(pattern) if not _is_strangers(site, one)]
    return found


def _is_strangers(site: Site, path: Path) -> bool:
    text = path.name.removesuffix(".img")
    domains = [one for m in site.world.machines.values() for one in m.domains.values()]
    return any(one.uuid == text and one.name.startswith("stranger-") for one in domains)
