"""Two Hyper-V hosts of the protocol server, which see one share, ready to be checked.

Disks are real files, so what is written and read is bytes. The guests start by UEFI (generation 2),
as only those take network cards while they run.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from itertools import count
from pathlib import Path
from uuid import UUID, uuid4

from drivers.conformance import Harness
from drivers.conformance.usual import Usual, small_guest
from drivers.contract.compute import DiskAttachment, GuestSpec, HostAddress, NicSpec
from drivers.contract.driver import HostSession
from drivers.contract.storage import ImageSource, PoolSpec
from drivers.hyperv.driver import make
from tests.peers.hyperv import HypervPeer
from tests.peers.hyperv.peer import PASSWORD, USER
from tests.peers.hyperv.peer import missing as peer_missing
from tests.peers.hyperv.world import MIB, Vm, tool

IMAGE_ID, IMAGE_BYTES = UUID("6f1cfe0a-5a29-4d07-9f0c-0c3a8f8f4a11"), 24 * MIB
POOL, SECOND_POOL = UUID(int=0x4A12), UUID(int=0x4A13)


def missing() -> str:
    return peer_missing()


@cache
def hosts() -> HypervPeer:
    """One pair for the whole run; addresses of this process, so that runs do not meet."""
    number = os.getpid() % 250 + 1
    folder = Path(tempfile.mkdtemp(prefix="sagastack-hyperv-"))
    peer = HypervPeer(folder, (f"127.7.{number}.1", f"127.7.{number}.2"))
    for share in ("pool", "second"):
        peer.world.share(share)
    options = ("-o", "subformat=dynamic,block_size=1M")
    image = folder / "tiny.vhdx"
    tool("qemu-img", "create", "-q", "-f", "vhdx", *options, str(image), str(IMAGE_BYTES))
    tool("qemu-io", "-f", "vhdx", "-c", "write -P 170 8M 64k", str(image))
    peer.start()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(peer.stop)
    return peer


class HypervHarness(Usual):
    """The hosts are shared by all checks of a run; the driver is not."""

    name = "hyperv"
    verb_s = 60.0
    settle_s = 30.0
    grace_s = 0.5
    image_format = "vhdx"
    pools = (
        PoolSpec(pool_id=POOL, url="smb://store/pool"),
        PoolSpec(pool_id=SECOND_POOL, url="smb://store/second/inner"),
    )

    def __init__(self, peer: HypervPeer) -> None:
        self._peer = peer
        self._first, self._second = peer.world.hosts
        self._numbers = count(1)
        self._strangers: list[Vm] = []
        self.driver = make({"connect_s": 20, "verb_s": 50, "image_s": 50, "move_s": 50})

    def address(self) -> HostAddress:
        return self._at(self._first)

    def _at(self, name: str) -> HostAddress:
        return HostAddress(url=self._peer.url(name), username=USER, password=PASSWORD)

    def wrong_address(self) -> HostAddress:
        return HostAddress(url=f"winrm://{self._first}:9", username=USER, password=PASSWORD)

    def second_address(self) -> HostAddress | None:
        return self._at(self._second)

    def image(self) -> ImageSource:
        return ImageSource(
            image_id=IMAGE_ID,
            path=str(self._peer.world.folder / "tiny.vhdx"),
            image_format="vhdx",
            virtual_bytes=IMAGE_BYTES,
        )

    def scratch(self) -> str:
        return str(self._peer.world.folder / f"image-{uuid4().hex}")

    async def write(self, path: str, byte: int) -> None:
        await asyncio.to_thread(self._peer.write, path, byte)

    async def read(self, path: str) -> int:
        return await asyncio.to_thread(self._peer.read, path)

    async def write_in_guest(self, guest_id: UUID, path: str, byte: int) -> None:
        await asyncio.to_thread(self._peer.write_in_guest, path, byte)

    def guest(
        self, *, disks: Sequence[DiskAttachment] = (), nics: Sequence[NicSpec] = ()
    ) -> GuestSpec:
        return guest_spec(disks=disks, nics=nics)

    def nic(self) -> NicSpec:
        return NicSpec(nic_id=uuid4(), mac=f"02:00:00:5a:00:{next(self._numbers):02x}")

    async def add_stranger(self) -> str | None:
        """As a person does at the host, who knows nothing of controllers."""
        name = f"stranger-{uuid4().hex[:8]}"
        host = self._peer.host(self._first)
        stranger = Vm(name, 1, 64 * MIB, "C:\\VMs", host, state="Running", notes="by hand")
        host.vms[stranger.id] = stranger
        self._strangers.append(stranger)
        return name

    async def disconnect(self, session: HostSession) -> bool:
        self._peer.cut()
        return True

    async def garble(self, after: int | None) -> bool | None:
        return self._peer.services[self._first].garble.wish(after)

    async def close(self) -> None:
        for stranger in self._strangers:
            stranger.host.vms.pop(stranger.id, None)
        await self.driver.close()


def guest_spec(
    *,
    disks: Sequence[DiskAttachment] = (),
    nics: Sequence[NicSpec] = (),
    boot: str = "uefi",
) -> GuestSpec:
    return small_guest(disks=disks, nics=nics, memory_mib=64, boot=boot)


@asynccontextmanager
async def harness() -> AsyncIterator[Harness]:
    """What a check leaves behind, strangers aside, is the check's own fault."""
    peer = await asyncio.to_thread(hosts)
    ready = HypervHarness(peer)
    try:
        yield ready
    finally:
        await ready.close()
    left = [vm.name for vm in peer.world.vms()]
    assert not left, f"left over: {left}"
    shares = peer.world.folder / "shares"
    found = await asyncio.to_thread(lambda: leftovers(shares))
    assert not found, f"left over: {found}"


def leftovers(folder: Path) -> list[str]:
    """Every file but the images that were brought, and notes that say what rests on them."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if path.parent.name not in ("images", "incoming")]
