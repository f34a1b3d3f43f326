"""Two real libvirt hosts with emulated guests, ready to be checked.

The first host is reached through a relay of ours on loopback, so that its line can be cut while
libvirt itself goes on, as happens when a switch dies.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from uuid import UUID, uuid4

from drivers.conformance import Harness
from drivers.conformance.usual import Usual, small_guest
from drivers.contract.compute import DiskAttachment, GuestSpec, HostAddress, NicSpec
from drivers.contract.driver import HostSession
from drivers.contract.hooks import HookStage
from drivers.contract.routing import Segment
from drivers.contract.storage import ImageSource, PoolSpec
from drivers.libvirt.driver import make
from drivers.libvirt.session import LibvirtSession
from guest.build import MEMORY_MIB, GuestImage, build
from guest.debs import Missing
from tests.peers import libvirt as peer
from tests.peers.netns import Internet, internet
from tests.peers.relay import Relay

VAR = Path(__file__).parents[2] / "var"
IMAGE_ID = UUID("6f1cfe0a-5a29-4d07-9f0c-0c3a8f8f3a11")
IMAGE_BYTES = 64 * 1024**2
LIBVIRT_PORT = 16509
SECOND_POOL = UUID("6f1cfe0a-5a29-4d07-9f0c-0c3a8f8f3a12")


def missing() -> str:
    """What the machine lacks: root, libvirt and QEMU, or what the guest is built from."""
    if lacking := peer.missing():
        return lacking
    try:
        tiny()
    except Missing as error:
        return str(error)
    return ""


def tiny() -> GuestImage:
    return build(VAR)


class LibvirtHarness(Usual):
    """The hosts are shared by all checks of a run; the pool, the relay and the driver are not."""

    name = "libvirt"
    verb_s = 60.0
    settle_s = 30.0
    grace_s = 8.0
    guest_mib = MEMORY_MIB
    too_large_mib = 64 * 1024**2

    def __init__(self, hosts: peer.LibvirtPair, relay: Relay, folder: Path) -> None:
        self._hosts = hosts
        self._relay = relay
        self._image = tiny()
        self._folder = str(folder)
        self.pools = [
            PoolSpec(pool_id=uuid4(), url=f"SharedMountPoint://{folder}"),
            PoolSpec(pool_id=SECOND_POOL, url=f"SharedMountPoint://{folder}/second"),
        ]
        self._hooks = hosts.shared / f"hooks-{uuid4().hex[:8]}"
        self._numbers = count(1)
        self._strangers: list[str] = []
        self._stack = AsyncExitStack()
        self._internet: Internet | None = None
        self._sessions: list[LibvirtSession] = []
        self.driver = make(settings(hosts))

    def address(self) -> HostAddress:
        return HostAddress(url=f"qemu+tcp://127.0.0.1:{self._relay.port}/system")

    def wrong_address(self) -> HostAddress:
        return HostAddress(url=f"qemu+tcp://{self._hosts.first.address}:9/system")

    def second_address(self) -> HostAddress | None:
        return HostAddress(url=self._hosts.second.uri)

    def image(self) -> ImageSource:
        return ImageSource(
            image_id=IMAGE_ID,
            path=str(self._image.disk),
            image_format="qcow2",
            virtual_bytes=IMAGE_BYTES,
        )

    def scratch(self) -> str:
        return f"{self._folder}/image-{uuid4().hex}"

    async def write(self, path: str, byte: int) -> None:
        await tool("qemu-io", "-f", "qcow2", "-c", f"write -P {byte} 1M 4k", path)

    async def read(self, path: str) -> int:
        said = await tool("qemu-io", "-U", "-r", "-f", "qcow2", "-c", "read -v 1M 16", path)
        return int(said.split()[1], 16)

    async def write_in_guest(self, guest_id: UUID, path: str, byte: int) -> None:
        """QEMU's own monitor writes through the very device that the guest has."""
        await write_in_guest(self._hosts.first, guest_id, path, byte)

    def nic(self) -> NicSpec:
        number = next(self._numbers)
        mac = f"52:54:00:5a:{os.getpid() % 256:02x}:{number:02x}"
        return NicSpec(nic_id=uuid4(), mac=mac, bridge="br0")

    async def add_stranger(self) -> str | None:
        name = f"stranger-{uuid4().hex[:8]}"
        xml = (
            f"<domain type='qemu'><name>{name}</name><memory unit='MiB'>16</memory>"
            "<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"
        )
        await virsh(self._hosts.first, "create", "/dev/stdin", given=xml)
        self._strangers.append(name)
        return name

    async def hook(self, stage: HookStage, status: int | None) -> str:
        return await asyncio.to_thread(write_hook, self._hooks, stage, status)

    async def hook_runs(self, stage: HookStage) -> int:
        ran = self._hooks / f"{stage}.ran"
        return len(await asyncio.to_thread(ran.read_text)) if ran.exists() else 0

    async def connect(self) -> HostSession:
        session = await super().connect()
        assert isinstance(session, LibvirtSession)
        self._sessions.append(session)
        return session

    async def segments(self) -> tuple[Segment, Segment]:
        """Bridges beside the host: its commands run where we do, and for these checks there."""
        if self._internet is None:
            self._internet = await self._stack.enter_async_context(internet())
        for session in self._sessions:
            session._line = replace(session._line, shell=self._internet.place)
        return Segment(bridge=self._internet.inside), Segment(bridge=self._internet.outside)

    async def disconnect(self, session: HostSession) -> bool:
        self._relay.cut()
        return True

    async def close(self) -> None:
        for name in self._strangers:
            await virsh(self._hosts.first, "destroy", name)
        await self.driver.close()
        await self._stack.aclose()


def settings(hosts: peer.LibvirtPair) -> dict[str, object]:
    """Short patience, emulated guests, and commands run here: the hosts share our file system."""
    return {
        "acceleration": "emulation",
        "log_dir": str(hosts.shared / "serial"),
        "config_dir": str(hosts.shared / "config"),
        "hook_dir": str(hosts.shared / "hook-runs"),
        "router_dir": str(hosts.shared / "routers"),
        "local_hosts": ["127.0.0.1", hosts.first.address, hosts.second.address],
        "connect_s": 10.0,
        "reboot_s": 4.0,
        "unplug_s": 20.0,
    }


def guest_spec(
    *,
    disks: Sequence[DiskAttachment] = (),
    nics: Sequence[NicSpec] = (),
    memory_mib: int = MEMORY_MIB,
) -> GuestSpec:
    """A guest as small as the tiny image allows."""
    return small_guest(disks=disks, nics=nics, memory_mib=memory_mib)


def write_hook(folder: Path, stage: HookStage, status: int | None) -> str:
    """Put a script into the folder, or take it away; it leaves a mark each time that it runs."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / f"{stage}.sh"
    if status is None:
        script.unlink(missing_ok=True)
    else:
        script.write_text(
            f'#!/bin/sh\nprintf x >>"{folder}/{stage}.ran"\n'
            f'echo "it ran: $*"; sleep 0.2; exit {status}\n'
        )
        script.chmod(0o755)
    return str(folder)


async def write_in_guest(host: peer.LibvirtHost, guest_id: UUID, path: str, byte: int) -> None:
    blocks = json.loads(
        await virsh(host, "qemu-monitor-command", str(guest_id), '{"execute":"query-block"}')
    )
    devices = [
        one["qdev"] for one in blocks["return"] if one.get("inserted", {}).get("file") == path
    ]
    command = f'qemu-io -d {devices[0]} "write -P {byte} 1M 4k"'
    said = await virsh(host, "qemu-monitor-command", "--hmp", str(guest_id), command)
    assert "wrote" in said or not said.strip(), said


async def tool(*argv: str) -> str:
    """A tool of QEMU's, beside the driver."""
    process = await asyncio.create_subprocess_exec(
        *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(30):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def virsh(host: peer.LibvirtHost, *arguments: str, given: str = "") -> str:
    """libvirt's own tool: what a person at the host would do, beside the driver."""
    process = await asyncio.create_subprocess_exec(
        *("virsh", "-q", "-c", host.uri, *arguments),
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
    hosts = peer.pair()
    folder = hosts.shared / "pool"
    await asyncio.to_thread((folder / "second").mkdir, parents=True, exist_ok=True)
    async with Relay(hosts.first.address, LIBVIRT_PORT) as relay:
        ready = LibvirtHarness(hosts, relay, folder)
        try:
            yield ready
        finally:
            await ready.close()
    for host in (hosts.first, hosts.second):
        left = (await virsh(host, "list", "--all", "--name")).split()
        assert not left, f"left over on {host.name}: {left}"
    whole = ("*.qcow2", "snapshots/*", "second/*.qcow2", "second/snapshots/*")
    disks = await asyncio.to_thread(lambda: [p.name for glob in whole for p in folder.glob(glob)])
    assert not disks, f"left over: {disks}"
