"""A machine that stands in for hardware behind a Redfish BMC, ready to be checked.

The BMC, the boot script and the agent's orders go over real HTTP on loopback; the machine itself
is `tests.peers.baremetal.machine`. The machines that boot for real are in
`tests/real/test_baremetal_real.py`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

from drivers.baremetal.driver import make_all
from drivers.conformance import Harness
from drivers.contract.compute import DiskAttachment, GuestSpec, HostAddress, NicSpec
from drivers.contract.driver import HostSession
from drivers.contract.storage import ImageSource, PoolSpec
from tests.peers.baremetal.machine import Machine
from tests.peers.baremetal.redfish_bmc import RedfishServer, serving
from tests.peers.relay import Relay

MIB = 1024**2
MAC = "52:54:00:ba:00:01"
DISKS = (96 * MIB, 96 * MIB, 96 * MIB, 128 * MIB, 128 * MIB, 192 * MIB)
IMAGE_BYTES = 4 * MIB
SILENT_S = 3.0


def missing() -> str:
    """All that it needs is here."""
    return ""


class BareMetalHarness:
    """One machine with six small disks; the second pool is the last two of them."""

    name = "bare metal"
    verb_s = 60.0
    settle_s = 30.0
    grace_s = 0.4

    def __init__(self, folder: Path, machine: Machine, relay: Relay, bmc: RedfishServer) -> None:
        self.folder, self.machine, self._relay, self.bmc = folder, machine, relay, bmc
        self._pool = PoolSpec(pool_id=uuid4(), url="disk:///")
        self._second = PoolSpec(pool_id=uuid4(), url="disk:///sd[ef]")
        self._image_id = uuid4()
        self._numbers = count(1)
        self.http = free_port()
        machine.boots_from = f"http://127.0.0.1:{self.http}"
        self.driver = make_all(settings(folder))[0]

    def address(self, **more: str) -> HostAddress:
        return HostAddress(
            url=url(self._relay.port, self.http, MAC, **more), username="admin", password="secret"
        )

    def wrong_address(self) -> HostAddress:
        return HostAddress(url=url(9, self.http, MAC), username="admin", password="secret")

    def second_address(self) -> HostAddress | None:
        return None

    async def connect(self) -> HostSession:
        return await self.driver.connect(self.address())

    def pool(self) -> PoolSpec:
        return self._pool

    def second_pool(self) -> PoolSpec:
        return self._second

    def image(self) -> ImageSource:
        return image_source(self.folder, self._image_id)

    def broken_image(self) -> ImageSource | None:
        return ImageSource(image_id=uuid4(), path=__file__, image_format="qcow2", virtual_bytes=MIB)

    def scratch(self) -> str:
        return str(self.folder / f"scratch-{next(self._numbers)}")

    def guest(
        self, *, disks: Sequence[DiskAttachment] = (), nics: Sequence[NicSpec] = ()
    ) -> GuestSpec:
        return guest_spec(disks=disks, nics=nics)

    def too_large(self) -> GuestSpec:
        return guest_spec(memory_mib=self.machine.memory_mib + 1)

    def nic(self) -> NicSpec:
        return NicSpec(nic_id=uuid4(), mac=f"02:00:00:00:ba:{next(self._numbers):02x}")

    async def write(self, path: str, byte: int) -> None:
        with self._file(path).open("r+b") as file:
            file.seek(2 * MIB)
            file.write(bytes([byte]))

    async def read(self, path: str) -> int:
        with self._file(path).open("rb") as file:
            file.seek(2 * MIB)
            return file.read(1)[0]

    async def write_in_guest(self, guest_id: UUID, path: str, byte: int) -> None:
        await self.write(path, byte)

    def _file(self, path: str) -> Path:
        names = {f"disk:///{self.machine.serial(n)}": n for n in range(len(DISKS))}
        return self.machine.disk(names[path])

    async def add_stranger(self) -> str | None:
        """Somebody turns the machine on by hand, and it boots what is on its disk."""
        self._bootable()
        await self.machine.turn_off()
        self.machine.target = "Hdd"
        self.machine.turn_on()
        await asyncio.sleep(SILENT_S + 0.2)  # Until then the agent may be there still.
        return f"stranger-127.0.0.1-{self._relay.port}-1"

    def _bootable(self) -> None:
        with self.machine.disk(0).open("r+b") as file:
            file.seek(510)
            file.write(b"\x55\xaa")

    async def disconnect(self, session: HostSession) -> bool:
        self._relay.cut()
        return True

    async def garble(self, after: int | None) -> bool | None:
        return self.bmc.garble.wish(after)


def settings(folder: Path) -> dict[str, str]:
    """Short patience: what hardware takes minutes for, this takes milliseconds for."""
    agent = folder / "agent"
    agent.mkdir(exist_ok=True)
    for name in ("vmlinuz", "agent.gz"):
        (agent / name).touch()
    return {
        "state": str(folder / "state"),
        "agent": str(agent),
        "settle_s": "1.5",
        "every_s": "0.02",
        "wipe_wait_s": "5",
        "alive_s": "0.04",
        "reboot_s": "1",
        "call_s": "5",
        "poll_s": "0.5",
        "silent_s": str(SILENT_S),
    }


def url(port: int, http: int, mac: str, **more: str) -> str:
    asked = {"mac": mac, "provision": "lo", "http": str(http), "dhcp": "no", "boot_s": "3"} | more
    text = "&".join(f"{name}={value}" for name, value in asked.items())
    return f"redfish+http://127.0.0.1:{port}/redfish/v1/Systems/1?{text}"


def guest_spec(
    *,
    disks: Sequence[DiskAttachment] = (),
    nics: Sequence[NicSpec] = (),
    memory_mib: int = 4096,
) -> GuestSpec:
    guest_id = uuid4()
    return GuestSpec(
        guest_id=guest_id,
        name=f"guest {guest_id.hex[:4]}",
        cpu_count=2,
        cpu_mhz=1000,
        memory_mib=memory_mib,
        disks=tuple(disks),
        nics=tuple(nics),
    )


def image_source(folder: Path, image_id: UUID | None = None) -> ImageSource:
    """The image that `write_image` makes there."""
    return ImageSource(
        image_id=image_id or uuid4(),
        path=str(folder / "image.raw"),
        image_format="raw",
        virtual_bytes=IMAGE_BYTES,
    )


def write_image(path: Path) -> None:
    """A partitioned disk image with something in its one partition."""
    head = bytearray(512)
    head[446:462] = (
        bytes((0x80, 0, 0, 0, 0x83, 0, 0, 0))
        + (2048).to_bytes(4, "little")
        + (IMAGE_BYTES // 512 - 2048).to_bytes(4, "little")
    )
    head[510:512] = b"\x55\xaa"
    with path.open("wb") as file:
        file.write(head)
        file.seek(MIB)
        file.write(b"a system to boot" * 64)
        file.truncate(IMAGE_BYTES)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def harness() -> AsyncIterator[Harness]:
    """A machine of its own; what a check leaves on its disks is the check's own fault."""
    with TemporaryDirectory() as name:
        async with ready(Path(name)) as made:
            yield made


@asynccontextmanager
async def ready(folder: Path) -> AsyncIterator[BareMetalHarness]:
    machine = Machine(mac=MAC, folder=folder / "disks", disk_bytes=DISKS)
    write_image(folder / "image.raw")
    bmc = RedfishServer({"1": machine})
    async with serving(bmc) as port, Relay("127.0.0.1", port) as relay:
        made = BareMetalHarness(folder, machine, relay, bmc)
        try:
            yield made
        finally:
            await made.driver.close()
    left = [n for n in range(len(DISKS)) if _holds(machine.disk(n), n)]
    assert not left, f"left over on disks {left}"


def _holds(path: Path, number: int) -> bool:
    """Whether anything was left in a disk; the first one may be a stranger's."""
    with path.open("rb") as file:
        first = file.read(8 * MIB)
    return bool((first[512:] if number == 0 else first).strip(b"\0"))
