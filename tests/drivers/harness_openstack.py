"""A region of OpenStack that keeps to its published APIs, ready to be checked.

The driver reaches it through a relay of ours, so that its line can be cut while the region goes on.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from itertools import count
from pathlib import Path
from subprocess import run
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

from drivers.conformance import Harness
from drivers.conformance.usual import Usual
from drivers.contract.compute import HostAddress, NicSpec
from drivers.contract.driver import HostSession
from drivers.contract.storage import ImageSource, PoolSpec
from drivers.openstack.driver import make_all
from tests.peers.openstack.server import serving
from tests.peers.openstack.state import Region, Row, now
from tests.peers.relay import Relay

MIB = 1024**2
IMAGE_BYTES = 8 * MIB
SETTINGS = {"poll_s": "0.01", "call_s": "5", "task_s": "10"}


def missing() -> str:
    """The images that pass through Glance are made and read by QEMU's tool."""
    return "" if shutil.which("qemu-img") else "qemu-img (Debian's qemu-utils)"


class OpenStackHarness(Usual):
    """The region, the relay and the driver are of one check."""

    name = "openstack"
    verb_s = 60.0
    settle_s = 30.0
    grace_s = 0.4

    def __init__(self, region: Region, relay: Relay, folder: Path) -> None:
        self.region = region
        self._relay, self._folder = relay, folder
        self._image = ImageSource(
            image_id=uuid4(),
            path=_image(str(folder)),
            image_format="qcow2",
            virtual_bytes=IMAGE_BYTES,
        )
        self.pools = [
            PoolSpec(pool_id=uuid4(), url=f"cinder://{name}") for name in ("fast", "slow")
        ]
        self._numbers = count(1)
        (self.driver,) = make_all(SETTINGS)

    def address(self) -> HostAddress:
        return self.host("compute1", self._relay.port)

    def host(self, name: str, port: int) -> HostAddress:
        where = f"127.0.0.1:{port}/identity/v3?region=RegionOne&project=cloud&network=public"
        return HostAddress(
            url=f"openstack+http://{where}&host={name}",
            username="sagastack",
            password="correct horse",
        )

    def wrong_address(self) -> HostAddress:
        return self.host("compute1", 9)

    def second_address(self) -> HostAddress | None:
        return self.host("compute2", self._relay.port)

    def image(self) -> ImageSource:
        return self._image

    def scratch(self) -> str:
        return f"{self._folder}/scratch-{uuid4().hex}"

    async def write(self, path: str, byte: int) -> None:
        with self._file(path).open("r+b") as file:
            file.write(bytes([byte]))

    async def read(self, path: str) -> int:
        with self._file(path).open("rb") as file:
            return (file.read(1) or b"\0")[0]

    async def write_in_guest(self, guest_id: UUID, path: str, byte: int) -> None:
        assert self._volume(path)["attachments"], f"no guest has {path}"
        await self.write(path, byte)

    def _file(self, path: str) -> Path:
        return self.region.volume_file(self._volume(path)["id"])

    def _volume(self, path: str) -> Row:
        """The volume that the driver calls so, by what it says of itself."""
        pool, *rest = path.removeprefix("cinder:").split("/")
        mark = "sagastack_snapshot" if rest[0] == "snapshot" else "sagastack_volume"
        wanted = {"sagastack_pool": pool, mark: rest[-1]}
        (found,) = (
            one
            for one in self.region.volumes.values()
            if wanted.items() <= one["metadata"].items() and one["status"] != "deleting"
        )
        return found

    def nic(self) -> NicSpec:
        return NicSpec(nic_id=uuid4(), mac=f"02:00:00:00:00:{next(self._numbers):02x}")

    async def add_stranger(self) -> str | None:
        """A server that somebody made by another client, of a volume."""
        volume: Row = {
            "id": str(uuid4()),
            "name": "somebody's",
            "size": 1,
            "status": "in-use",
            "volume_type": "fast",
            "metadata": {},
            "attachments": [],
            "bootable": "true",
            "project": self.region.project_ids["cloud"],
            "created_at": now(),
        }
        server: Row = {
            "id": str(uuid4()),
            "name": f"stranger-{uuid4().hex[:8]}",
            "tenant_id": self.region.project_ids["cloud"],
            "status": "ACTIVE",
            "OS-EXT-STS:task_state": None,
            "OS-EXT-SRV-ATTR:host": "compute1",
            "image": "",
            "flavor": {"vcpus": 1, "ram": 256, "disk": 0, "original_name": "tiny"},
            "metadata": {},
            "tags": [],
            "os-extended-volumes:volumes_attached": [
                {"id": volume["id"], "delete_on_termination": True}
            ],
            "created": now(),
            "updated": now(),
            "actions": [],
            "attachment_ids": {},
        }
        volume["attachments"] = [
            {"server_id": server["id"], "volume_id": volume["id"], "device": "/dev/vda"}
        ]
        self.region.volumes[volume["id"]], self.region.servers[server["id"]] = volume, server
        return str(server["name"])

    async def disconnect(self, session: HostSession) -> bool:
        self._relay.cut()
        return True

    async def garble(self, after: int | None) -> bool | None:
        return self.region.garble.wish(after)

    def left(self) -> list[str]:
        """What is there of ours; images of templates and flavours stay."""
        servers = [
            one["name"]
            for one in self.region.servers.values()
            if one["status"] != "DELETED" and any("sagastack" in tag for tag in one["tags"])
        ]
        volumes = [
            f"{one['name']} {one['status']}"
            for one in self.region.volumes.values()
            if "sagastack_pool" in one["metadata"]
        ]
        passing = [
            one["name"] for one in self.region.images.values() if "sagastack_image" not in one
        ]
        return [*servers, *volumes, *passing, *self.region.ports]


@cache
def _bytes() -> bytes:
    with TemporaryDirectory() as folder:
        made = Path(folder) / "image.qcow2"
        words = ("qemu-img", "create", "-q", "-f", "qcow2", str(made), str(IMAGE_BYTES))
        run(words, check=True, timeout=30)
        return made.read_bytes()


def _image(folder: str) -> str:
    made = Path(folder) / "image.qcow2"
    made.write_bytes(_bytes())
    return str(made)


@asynccontextmanager
async def region(**more: float) -> AsyncIterator[OpenStackHarness]:
    """A region behind its relay, without a look at what is left in it."""
    with TemporaryDirectory(prefix="sagastack-openstack-") as name:
        folder = Path(name)
        async with serving(folder, **more) as (served, port):
            async with Relay("127.0.0.1", port) as relay:
                served.public = f"http://127.0.0.1:{relay.port}"
                ready = OpenStackHarness(served, relay, folder)
                try:
                    yield ready
                finally:
                    await ready.driver.close()


@asynccontextmanager
async def harness() -> AsyncIterator[Harness]:
    """What a check leaves behind, strangers aside, is the check's own fault."""
    async with region() as ready:
        yield ready
        await ready.driver.close()
        left = ready.left()
        assert not left, f"left over: {left}"
