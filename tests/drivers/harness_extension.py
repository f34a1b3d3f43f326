"""The example of an extension, ready to be checked: a program of its own, and folders."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from drivers.conformance import Harness
from drivers.conformance.usual import Usual
from drivers.contract.compute import HostAddress, NicSpec
from drivers.contract.driver import Driver, HostSession
from drivers.contract.storage import ImageSource, PoolSpec
from drivers.extension.driver import MANIFEST, ExternalSession, make_all

EXAMPLE = Path(__file__).parents[2] / "examples" / "extension"
MIB = 1024**2


def missing() -> str:
    """The example needs nothing but Python."""
    return ""


def put(path: Path, byte: int) -> None:
    with path.open("r+b") as file:
        file.write(bytes([byte]))


def installed(folder: Path) -> Path:
    """The example as a person would install it, run by the Python that runs the tests."""
    extension = folder / "extension"
    extension.mkdir()
    said = (EXAMPLE / MANIFEST).read_text()
    command = f'command = ["{sys.executable}", "{EXAMPLE / "files_world.py"}"]'
    lines = [command if line.startswith("command") else line for line in said.splitlines()]
    (extension / MANIFEST).write_text("\n".join(lines))
    return extension


class ExtensionHarness(Usual):
    """One host; its world is new for each check."""

    name = "extension"
    verb_s = 60.0
    settle_s = 30.0
    grace_s = 0.0
    image_format = "jpeg"
    guest_mib = 256
    too_large_mib = 2048

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.driver: Driver = make_all({"state": "", "folder": str(installed(folder))})[0]
        for name in ("host", "one", "two"):
            (folder / name).mkdir()
        self._image = folder / "image.raw"
        self._image.write_bytes(b"a system".ljust(4 * MIB, b"."))
        self._image_id, self._cards = uuid4(), count(1)
        self.pools = [
            PoolSpec(pool_id=uuid4(), url=(folder / name).as_uri()) for name in ("one", "two")
        ]

    def address(self) -> HostAddress:
        return HostAddress(url=f"external://{self._folder}/host?memory_mib=1024", password="x")

    def wrong_address(self) -> HostAddress:
        return HostAddress(url=f"external://{self._folder}/nowhere")

    def second_address(self) -> HostAddress | None:
        return None

    def image(self) -> ImageSource:
        return ImageSource(
            image_id=self._image_id,
            path=str(self._image),
            image_format="raw",
            virtual_bytes=4 * MIB,
        )

    def scratch(self) -> str:
        return str(self._folder / f"scratch-{uuid4().hex}")

    def nic(self) -> NicSpec:
        return NicSpec(nic_id=uuid4(), mac=f"02:00:00:00:00:{next(self._cards):02x}")

    async def write(self, path: str, byte: int) -> None:
        await asyncio.to_thread(put, Path(path), byte)

    async def read(self, path: str) -> int:
        return (await asyncio.to_thread(Path(path).read_bytes))[0]

    async def add_stranger(self) -> str | None:
        return None

    async def disconnect(self, session: HostSession) -> bool:
        assert isinstance(session, ExternalSession)
        session.drop()
        return True

    def left(self) -> list[str]:
        patterns = ("host/guests/*", "*/disks/*", "*/rests/*")
        return [str(one) for pattern in patterns for one in self._folder.glob(pattern)]


@asynccontextmanager
async def harness() -> AsyncIterator[Harness]:
    """What a check leaves behind is the check's own fault."""
    with TemporaryDirectory() as folder:
        ready = ExtensionHarness(Path(folder))
        try:
            yield ready
        finally:
            await ready.driver.close()
        assert ready.left() == [], "left over"
