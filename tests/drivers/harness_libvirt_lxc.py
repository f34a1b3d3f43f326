"""A real libvirt host with real containers, ready to be checked: one host, raw disks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from uuid import UUID, uuid4

from drivers.conformance import Harness
from drivers.conformance.usual import Usual
from drivers.contract.compute import HostAddress, NicSpec
from drivers.contract.driver import HostSession
from drivers.contract.hooks import HookStage
from drivers.contract.storage import ImageSource, PoolSpec
from drivers.libvirt.driver import make
from guest.debs import Missing
from tests.drivers.harness_libvirt import LIBVIRT_PORT, tool, write_hook
from tests.guest.container import SIZE_BYTES, container_image, lacking
from tests.peers import libvirt as peer
from tests.peers.relay import Relay

IMAGE_ID = UUID("6f1cfe0a-5a29-4d07-9f0c-0c3a8f8f3b21")
SECOND_POOL = UUID("6f1cfe0a-5a29-4d07-9f0c-0c3a8f8f3b22")


def missing() -> str:
    """What the machine lacks: root, libvirt's containers, or what their root is built from."""
    if absent := peer.containers_missing() or lacking():
        return absent
    try:
        container_image()
    except Missing as error:
        return str(error)
    return ""


class ContainerHarness(Usual):
    """The host is shared by all checks of a run; the pool, the relay and the driver are not."""

    name = "libvirt, containers"
    verb_s = 60.0
    settle_s = 20.0
    grace_s = 8.0
    guest_mib = 64
    too_large_mib = 64 * 1024**2

    def __init__(self, host: peer.LibvirtHost, relay: Relay, folder: Path) -> None:
        self._host, self._relay, self._folder = host, relay, str(folder)
        self.pools = [
            PoolSpec(pool_id=uuid4(), url=f"file://{folder}"),
            PoolSpec(pool_id=SECOND_POOL, url=f"file://{folder}/second"),
        ]
        self._hooks = host.root / f"hooks-{uuid4().hex[:8]}"
        self._numbers = count(1)
        self._strangers: list[str] = []
        self.driver = make(settings(host), "LXC")

    def address(self) -> HostAddress:
        return HostAddress(url=f"lxc+tcp://127.0.0.1:{self._relay.port}/system")

    def wrong_address(self) -> HostAddress:
        return HostAddress(url=f"lxc+tcp://{self._host.address}:9/system")

    def second_address(self) -> HostAddress | None:
        return None

    def image(self) -> ImageSource:
        path = str(container_image())
        return ImageSource(
            image_id=IMAGE_ID, path=path, image_format="raw", virtual_bytes=SIZE_BYTES
        )

    def scratch(self) -> str:
        return f"{self._folder}/image-{uuid4().hex}"

    async def write(self, path: str, byte: int) -> None:
        """The boot block of a file system is nobody's."""
        await tool("qemu-io", "-f", "raw", "-c", f"write -P {byte} 0 512", path)

    async def read(self, path: str) -> int:
        form = "qcow2" if "image-" in path else "raw"
        said = await tool("qemu-io", "-r", "-f", form, "-c", "read -v 0 16", path)
        return int(said.split()[1], 16)

    async def write_in_guest(self, guest_id: UUID, path: str, byte: int) -> None:
        """What a container's root is, its loop device shows: a write to the file is one to it."""
        await self.write(path, byte)

    def nic(self) -> NicSpec:
        mac = f"52:54:00:5b:{os.getpid() % 256:02x}:{next(self._numbers):02x}"
        return NicSpec(nic_id=uuid4(), mac=mac, bridge="br0")

    async def add_stranger(self) -> str | None:
        name = f"stranger-{uuid4().hex[:8]}"
        root = Path(self._folder) / name
        await tool("cp", "--sparse=always", str(container_image()), str(root))
        xml = (
            f"<domain type='lxc'><name>{name}</name><memory unit='MiB'>32</memory><os>"
            "<type arch='x86_64'>exe</type><init>/sbin/init</init></os><features><privnet/>"
            "</features><devices><filesystem type='file'><driver type='loop' format='raw'/>"
            f"<source file='{root}'/><target dir='/'/></filesystem><console type='pty'/>"
            "</devices></domain>"
        )
        await virsh(self._host, "create", "/dev/stdin", given=xml)
        self._strangers.append(name)
        return name

    async def hook(self, stage: HookStage, status: int | None) -> str:
        return await asyncio.to_thread(write_hook, self._hooks, stage, status)

    async def hook_runs(self, stage: HookStage) -> int:
        ran = self._hooks / f"{stage}.ran"
        return len(await asyncio.to_thread(ran.read_text)) if ran.exists() else 0

    async def disconnect(self, session: HostSession) -> bool:
        self._relay.cut()
        return True

    async def close(self) -> None:
        for name in self._strangers:
            await virsh(self._host, "destroy", name)
            (Path(self._folder) / name).unlink()
        await self.driver.close()


def settings(host: peer.LibvirtHost) -> dict[str, object]:
    """Commands run here: the host shares our file system."""
    return {
        "config_dir": str(host.root / "config"),
        "hook_dir": str(host.root / "hook-runs"),
        "local_hosts": ["127.0.0.1", host.address],
        "connect_s": 10.0,
        "reboot_s": 4.0,
        "unplug_s": 20.0,
    }


async def virsh(host: peer.LibvirtHost, *arguments: str, given: str = "") -> str:
    uri = host.uri.replace("qemu", "lxc", 1)
    process = await asyncio.create_subprocess_exec(
        *("virsh", "-q", "-c", uri, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(30):
        said, _ = await process.communicate(given.encode())
    assert process.returncode == 0, said.decode()
    return said.decode()


@asynccontextmanager
async def harness() -> AsyncIterator[Harness]:
    """What a check leaves behind, strangers aside, is the check's own fault."""
    host = peer.container_host()
    folder = host.root / "pool"
    await asyncio.to_thread((folder / "second").mkdir, parents=True, exist_ok=True)
    async with Relay(host.address, LIBVIRT_PORT) as relay:
        ready = ContainerHarness(host, relay, folder)
        try:
            yield ready
        finally:
            await ready.close()
    left = (await virsh(host, "list", "--all", "--name")).split()
    assert not left, f"left over on {host.name}: {left}"
    whole = ("*.raw", "snapshots/*", "second/*.raw", "second/snapshots/*")
    disks = await asyncio.to_thread(lambda: [p.name for glob in whole for p in folder.glob(glob)])
    assert not disks, f"left over: {disks}"
