"""A vCenter (govmomi's simulator) with two hosts, ready to be checked.

It is reached through a relay of ours on loopback, so that its line can be cut while it goes on.
What disks hold is written to and read from the files of its datastores.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

from drivers.conformance import Harness
from drivers.conformance.usual import Usual
from drivers.contract.compute import HostAddress, NicSpec
from drivers.contract.driver import HostSession
from drivers.contract.storage import ImageSource, PoolSpec
from drivers.vsphere.driver import VsphereDriver
from drivers.vsphere.settings import Settings
from tests.drivers.vcenter_hand import Hand
from tests.peers import vcenter as peer
from tests.peers.garble import Garble
from tests.peers.relay import Relay
from tests.peers.spoiler import spoiling

MIB = 1024**2
IMAGE_BYTES = 8 * MIB
AT_BYTES = MIB
POOLS = (UUID(int=0x5E1), UUID(int=0x5E2))
IMAGE_ID = UUID(int=0x5E3)


def missing() -> str:
    return peer.missing()


class VsphereHarness(Usual):
    """The vCenter is shared by all checks of a run; the relay and the driver are not."""

    name = "vsphere"
    verb_s = 60.0
    settle_s = 30.0
    grace_s = 0.2
    image_format = "vmdk"
    guest_mib = 64
    too_large_mib = 1024**2

    def __init__(self, vcenter: peer.VcenterPeer, relay: Relay, folder: str) -> None:
        self._vcenter, self._relay, self._folder = vcenter, relay, folder
        self._numbers = count(1)
        self.pools = [pool(0), pool(1)]
        self._strangers: list[str] = []
        self.hand = Hand(vcenter)
        self._between = AsyncExitStack()
        self._garble: Garble | None = None
        self.driver = VsphereDriver(Settings(state=folder, verb_s=15.0, page=3))

    def address(self) -> HostAddress:
        return address(self._vcenter.url(peer.HOSTS[0], port=self._relay.port))

    def wrong_address(self) -> HostAddress:
        return address(self._vcenter.url(peer.HOSTS[0], port=9))

    def second_address(self) -> HostAddress | None:
        return address(self._vcenter.url(peer.HOSTS[1], port=self._relay.port))

    def image(self) -> ImageSource:
        return ImageSource(
            image_id=IMAGE_ID, path=image(), image_format="vmdk", virtual_bytes=IMAGE_BYTES
        )

    def scratch(self) -> str:
        return f"{self._folder}/image-{uuid4().hex}"

    def file(self, path: str) -> Path:
        """Where a file of a datastore is here."""
        return self._vcenter.file(path)

    async def write(self, path: str, byte: int) -> None:
        """Where the disk's bytes are now, which a guest's snapshot or a move changes."""
        file = await asyncio.to_thread(self.hand.file_of, path)
        await asyncio.to_thread(write_at, self._vcenter.flat(file), byte)

    async def read(self, path: str) -> int:
        file = await asyncio.to_thread(self.hand.file_of, path)
        return await asyncio.to_thread(read_at, self._vcenter.flat(file))

    def nic(self) -> NicSpec:
        number = next(self._numbers)
        return NicSpec(nic_id=uuid4(), mac=f"02:00:5e:00:00:{number:02x}", bridge="DC0_DVPG0")

    async def add_stranger(self) -> str | None:
        name = f"stranger-{uuid4().hex[:8]}"
        await asyncio.to_thread(self.hand.add_machine, name)
        self._strangers.append(name)
        return name

    async def disconnect(self, session: HostSession) -> bool:
        self._relay.cut()
        return True

    async def garble(self, after: int | None) -> bool | None:
        """From the first wish on, a proxy is between."""
        if self._garble is None:
            root = self._vcenter.root
            ways = (self._vcenter.port, "/sdk", root / "cert.pem", root / "key.pem")
            port, self._garble = await self._between.enter_async_context(spoiling(*ways))
            self._relay.lead("127.0.0.1", port)
            await asyncio.sleep(0.1)
        return self._garble.wish(after)

    async def close(self) -> None:
        await self.driver.close()
        await self._between.aclose()
        for name in self._strangers:
            await asyncio.to_thread(self.hand.destroy, name)


def address(url: str, *, password: str = peer.PASSWORD) -> HostAddress:
    return HostAddress(url=url, username=peer.USER, password=password)


def pool(number: int) -> PoolSpec:
    url = f"vmfs://{peer.DATACENTER}/{peer.STORES[number]}"
    return PoolSpec(pool_id=POOLS[number], url=url)


@cache
def image() -> str:
    """A disk image as one downloads it for vSphere: a stream-optimized VMDK."""
    folder = TemporaryDirectory(prefix="sagastack-vmdk-")
    _keep.append(folder)
    path = f"{folder.name}/tiny.vmdk"
    make_image(path, IMAGE_BYTES)
    return path


_keep: list[TemporaryDirectory[str]] = []


def make_image(path: str, size_bytes: int) -> None:
    words = ("qemu-img", "create", "-q", "-f", "vmdk", "-o", "subformat=streamOptimized")
    raw = f"{path}.raw"
    Path(raw).write_bytes(b"boot" + bytes(size_bytes - 4))
    convert = ("qemu-img", "convert", "-f", "raw", "-O", "vmdk", *words[-2:], raw, path)
    subprocess.run(convert, check=True, timeout=60)
    Path(raw).unlink()


def write_at(path: Path, byte: int) -> None:
    with path.open("r+b") as file:
        file.seek(AT_BYTES)
        file.write(bytes([byte]))


def read_at(path: Path) -> int:
    with path.open("rb") as file:
        file.seek(AT_BYTES)
        found = file.read(1)
    return found[0] if found else 0


@asynccontextmanager
async def harness() -> AsyncIterator[Harness]:
    """What a check leaves behind, strangers aside, is the check's own fault."""
    vcenter = peer.shared()
    before = await asyncio.to_thread(left_behind, Hand(vcenter), vcenter)
    with TemporaryDirectory() as folder:
        async with Relay("127.0.0.1", vcenter.port) as relay:
            ready = VsphereHarness(vcenter, relay, folder)
            try:
                yield ready
            finally:
                await ready.close()
    left = await asyncio.to_thread(left_behind, ready.hand, vcenter)
    new = [one for one in left if one not in before]
    assert not new, f"left over: {new}"


def left_behind(hand: Hand, vcenter: peer.VcenterPeer) -> list[str]:
    """Machines, and files of our pools but the images that they keep."""
    files = []
    for number, name in enumerate(peer.STORES):
        top = vcenter.file(f"[{name}] sagastack/{POOLS[number]}")
        files += [
            str(one.relative_to(top))
            for one in top.rglob("*")
            if one.is_file() and one.parent.name != "images"
        ]
    return [*hand.machines(), *files]
