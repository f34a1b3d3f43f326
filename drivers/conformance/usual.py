"""What most harnesses say alike, to be inherited: a session with the first host, two pools, guests
as small as they can be, and an image that is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from drivers.contract.compute import DiskAttachment, GuestSpec, HostAddress, NicSpec
from drivers.contract.driver import Driver, HostSession
from drivers.contract.storage import ImageSource, PoolSpec


def small_guest(
    *,
    disks: Sequence[DiskAttachment] = (),
    nics: Sequence[NicSpec] = (),
    memory_mib: int = 128,
    **more: Any,
) -> GuestSpec:
    """One core of 500 MHz under a new id; `more` are further fields of the specification."""
    guest_id = uuid4()
    return GuestSpec(
        guest_id=guest_id,
        name=f"guest {guest_id.hex[:4]}",
        cpu_count=1,
        cpu_mhz=500,
        memory_mib=memory_mib,
        disks=tuple(disks),
        nics=tuple(nics),
        **more,
    )


class Usual:
    """A part of a harness: it brings `driver`, `pools` (two, for its life) and `address`.

    `image_format` is what the backend's images are in. `guest_mib` is the memory of its smallest
    guest and `too_large_mib` more than its first host has.
    """

    driver: Driver
    pools: Sequence[PoolSpec]
    image_format = "qcow2"
    guest_mib = 128
    too_large_mib = 64 * 1024

    def address(self) -> HostAddress:
        raise NotImplementedError

    async def connect(self) -> HostSession:
        return await self.driver.connect(self.address())

    def pool(self) -> PoolSpec:
        return self.pools[0]

    def second_pool(self) -> PoolSpec:
        return self.pools[1]

    def broken_image(self) -> ImageSource | None:
        """This very file, under the name of an image."""
        return ImageSource(
            image_id=uuid4(), path=__file__, image_format=self.image_format, virtual_bytes=2**20
        )

    def guest(
        self, *, disks: Sequence[DiskAttachment] = (), nics: Sequence[NicSpec] = ()
    ) -> GuestSpec:
        return small_guest(disks=disks, nics=nics, memory_mib=self.guest_mib)

    def too_large(self) -> GuestSpec:
        return small_guest(memory_mib=self.too_large_mib)

    async def garble(self, after: int | None) -> bool | None:
        return None

    async def write(self, path: str, byte: int) -> None:
        raise NotImplementedError

    async def write_in_guest(self, guest_id: UUID, path: str, byte: int) -> None:
        """Where a guest's disk is a plain file, what a guest writes is a write to that."""
        await self.write(path, byte)
