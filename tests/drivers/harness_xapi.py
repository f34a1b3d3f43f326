"""A XenServer pool of two hosts, played by a server of ours, ready to be checked.

Disks are sparse files of the peer's, so what the driver says of bytes is compared with the bytes.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from uuid import UUID, uuid4

from drivers.conformance import Harness
from drivers.conformance.usual import Usual
from drivers.contract.compute import HostAddress, NicSpec
from drivers.contract.driver import HostSession
from drivers.contract.storage import ImageSource, PoolSpec
from drivers.xapi.driver import make_all
from tests.drivers.small_image import IMAGE_BYTES, small_image
from tests.peers.xapi import World, serving
from tests.peers.xapi.calls import Context
from tests.peers.xapi.domains import power_on

MIB = 1024**2
IMAGE_ID = UUID("6f1cfe0a-5a29-4d07-9f0c-0c3a8f8f3b11")


def missing() -> str:
    """The peer runs wherever the tests do, but bytes are converted by QEMU's tool."""
    return "" if shutil.which("qemu-img") else "qemu-img is not installed (qemu-utils)"


class XapiHarness(Usual):
    """The pool is new for each check, and so is the driver."""

    name = "xapi"
    verb_s = 60.0
    settle_s = 30.0
    grace_s = 0.2
    image_format = "vhd"

    def __init__(self, world: World, image: Path, folder: Path) -> None:
        self.world, self._image, self._folder = world, image, folder
        self._numbers = count(1)
        self.pools = [PoolSpec(pool_id=uuid4(), url=f"presetup://{n}") for n in ("one", "two")]
        self.driver = make_all({"state": str(folder / "state")})[0]

    def address(self) -> HostAddress:
        return self.of(0)

    def of(self, number: int, *, path: bool = True) -> HostAddress:
        return address_of(self.world, number, path=path)

    def wrong_address(self) -> HostAddress:
        return HostAddress(url="xapi://127.0.0.1:9/", username="root", password="secret")

    def second_address(self) -> HostAddress | None:
        return self.of(1)

    def image(self) -> ImageSource:
        return ImageSource(
            image_id=IMAGE_ID,
            path=str(self._image),
            image_format="vhd",
            virtual_bytes=IMAGE_BYTES,
        )

    def scratch(self) -> str:
        return str(self._folder / f"image-{next(self._numbers)}")

    def nic(self) -> NicSpec:
        return NicSpec(nic_id=uuid4(), mac=f"02:00:00:00:00:{next(self._numbers):02x}")

    def file(self, path: str) -> Path:
        """Where the peer has the bytes of what the driver calls so: by what is marked on VDIs."""
        sr_uuid, *_, thing = path.split("/")
        store = self.world.store
        found = [
            (int(record["other_config"].get("sagastack-generation", "0")), ref)
            for ref in store.refs("VDI", SR=store.by_uuid("SR", sr_uuid))
            if (record := store.get("VDI", ref))["other_config"].get("sagastack-id") == thing
            and record["other_config"].get("sagastack-self") == record["uuid"]
        ]
        assert found, f"the peer has no {path}"
        return self.world.file(max(found)[1])

    async def write(self, path: str, byte: int) -> None:
        with self.file(path).open("r+b") as file:
            file.write(bytes([byte]))

    async def read(self, path: str) -> int:
        with self.file(path).open("rb") as file:
            return file.read(1)[0]

    async def add_stranger(self) -> str | None:
        return add_stranger(self.world)

    async def disconnect(self, session: HostSession) -> bool:
        """Lines are reset, and the pool knows no session any more, as after its restart."""
        for ref in self.world.store.refs("session"):
            self.world.store.remove(ref)
        self.world.cut()
        return True

    async def garble(self, after: int | None) -> bool | None:
        return self.world.behaviour.garble.wish(after)


def address_of(world: World, number: int, *, path: bool = True) -> HostAddress:
    """A host below the address of its pool's master."""
    master = world.hosts[0]
    uuid = world.store.get("host", world.hosts[number])["uuid"] if path else ""
    url = f"xapi://{world.address(master)}:{world.port}/{uuid}?pin={world.pin(master)}"
    return HostAddress(url=url, username="root", password="secret")


def add_stranger(world: World, name: str = "") -> str:
    """A guest that a person runs on the first host."""
    name = name or f"stranger-{uuid4().hex[:8]}"
    vm = world.store.add(
        "VM", name_label=name, power_state="Halted", VCPUs_max=1, VCPUs_at_startup=1,
        memory_static_max=64 * MIB, memory_dynamic_max=64 * MIB, memory_dynamic_min=64 * MIB,
        domid=-1,
    )  # fmt: skip
    power_on(Context(world, world.hosts[0]), vm, world.hosts[0])
    return name


@asynccontextmanager
async def harness() -> AsyncIterator[Harness]:
    """What a check leaves in the pool, strangers and the template's image aside, is its fault."""
    image = await small_image("vhd")
    with tempfile.TemporaryDirectory(prefix="xapi-") as name:
        folder = Path(name)
        async with serving(folder / "pool") as world:
            for sr in ("one", "two"):
                world.add_sr(sr)
            ready = XapiHarness(world, image, folder)
            yield ready
            await ready.driver.close()
            left = world.left_over()
    left["VM"] = [one for one in left.get("VM", ()) if not one.startswith("stranger-")]
    left["VDI"] = [one for one in left.get("VDI", ()) if one != str(IMAGE_ID)]
    left["VBD"] = left.get("VBD", [])
    wrong = {cls: left[cls] for cls in ("VM", "VDI", "VBD", "task") if left.get(cls)}
    assert not wrong, f"left over: {wrong}"
