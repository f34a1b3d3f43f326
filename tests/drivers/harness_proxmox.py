"""The worked example of an extension, Proxmox VE, against a cluster that a server of ours plays.

The program is the one in `examples/proxmox`, run as a controller runs it; bytes are compared with
those in the peer's volumes.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from uuid import UUID, uuid4

from drivers.conformance import Harness
from drivers.conformance.usual import Usual
from drivers.contract.compute import HostAddress, NicSpec
from drivers.contract.driver import Driver, HostSession
from drivers.contract.storage import ImageSource, PoolSpec
from drivers.extension.driver import MANIFEST, ExternalSession, make_all
from tests.drivers.small_image import IMAGE_BYTES, small_image
from tests.peers.proxmox import TOKEN, World, serving

EXAMPLE = Path(__file__).parents[2] / "examples" / "proxmox"
MIB = 1024**2
IMAGE_ID = UUID("0b4c43c1-5f0e-4b0a-9d55-8a3a5be4a7c2")


def missing() -> str:
    """The peer runs wherever the tests do, but bytes are converted by QEMU's tool."""
    return "" if shutil.which("qemu-img") else "qemu-img is not installed (qemu-utils)"


def installed(folder: Path) -> Path:
    """The extension as a person would install it, run by the Python that runs the tests."""
    extension = folder / "extension"
    extension.mkdir()
    said = (EXAMPLE / MANIFEST).read_text()
    command = f'command = ["{sys.executable}", "{EXAMPLE / "proxmox.py"}"]'
    lines = [command if line.startswith("command") else line for line in said.splitlines()]
    (extension / MANIFEST).write_text("\n".join(lines))
    return extension


class ProxmoxHarness(Usual):
    """The cluster is new for each check, and so is the program."""

    name = "proxmox"
    verb_s = 60.0
    settle_s = 30.0
    grace_s = 0.1

    def __init__(self, world: World, image: Path, folder: Path) -> None:
        self.world, self._image, self._folder = world, image, folder
        self._numbers = count(1)
        self.pools = [pool(name) for name in ("one", "two")]
        self.driver: Driver = make_all({"state": "", "folder": str(installed(folder))})[0]

    def address(self) -> HostAddress:
        return address_of(self.world, "pve1")

    def wrong_address(self) -> HostAddress:
        return HostAddress(url="https://127.0.0.1:9/pve1", username=TOKEN[0], password=TOKEN[1])

    def second_address(self) -> HostAddress | None:
        return address_of(self.world, "pve2")

    def image(self) -> ImageSource:
        return ImageSource(
            image_id=IMAGE_ID,
            path=str(self._image),
            image_format="qcow2",
            virtual_bytes=IMAGE_BYTES,
        )

    def scratch(self) -> str:
        return str(self._folder / f"image-{next(self._numbers)}")

    def nic(self) -> NicSpec:
        return NicSpec(
            nic_id=uuid4(), mac=f"02:00:00:00:00:{next(self._numbers):02x}", bridge="vmbr1", vlan=12
        )

    def file(self, path: str) -> Path:
        """Where the peer has the bytes of what the extension calls so: by its tags."""
        storage, thing = path.split("/")
        kinds = ("disk", "snapshot")
        words = [f"sagastack.{kind}.{thing}." for kind in kinds]
        there = " ".join(vm.config.get("tags", "") for vm in self.world.vms.values())
        word = next(one for one in words if one in there)
        found = self.world.file(word)
        assert storage in found.parts, f"{path} lies in {found}"
        return found

    async def write(self, path: str, byte: int) -> None:
        with self.file(path).open("r+b") as file:
            file.write(bytes([byte]))

    async def read(self, path: str) -> int:
        with self.file(path).open("rb") as file:
            return file.read(1)[0]

    async def add_stranger(self) -> str | None:
        return self.world.add_stranger(f"stranger-{uuid4().hex[:8]}")

    async def disconnect(self, session: HostSession) -> bool:
        """The program dies; what it had begun goes on at the peer."""
        assert isinstance(session, ExternalSession)
        session.drop()
        return True

    async def garble(self, after: int | None) -> bool | None:
        return self.world.garble.wish(after)


def pool(storage: str) -> PoolSpec:
    return PoolSpec(pool_id=uuid4(), url=f"proxmox://there/{storage}")


def address_of(world: World, node: str = "") -> HostAddress:
    url = f"https://127.0.0.1:{world.port}/{node}?pin={world.pin}"
    return HostAddress(url=url, username=TOKEN[0], password=TOKEN[1])


@asynccontextmanager
async def harness() -> AsyncIterator[Harness]:
    """What a check leaves in the cluster, strangers and the image aside, is its own fault."""
    image = await small_image("qcow2")
    with tempfile.TemporaryDirectory(prefix="proxmox-") as name:
        folder = Path(name)
        async with serving(folder / "there") as world:
            ready = ProxmoxHarness(world, image, folder)
            try:
                yield ready
            finally:
                await ready.driver.close()
            left = world.left()
    left["vms"] = [one for one in left.get("vms", []) if not one.startswith("stranger-")]
    wrong = {kind: names for kind, names in left.items() if names}
    assert not wrong, f"left over: {wrong}"
