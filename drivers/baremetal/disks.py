"""A machine's own disks as volumes: made by writing an image, removed by wiping.

A volume takes a disk whole. Whatever is cut off leaves the disk marked: one that was begun is
finished or wiped, one that is dirty is wiped before it holds anything again, and before any guest
runs beside it.
"""

from __future__ import annotations

import hashlib
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

from drivers.baremetal import label, partition
from drivers.baremetal.agents import Order
from drivers.baremetal.cards import Disk, Volume
from drivers.baremetal.images import Images, Kept
from drivers.baremetal.node import Node
from drivers.contract.errors import Refused, Unavailable
from drivers.contract.storage import DiskSpec, DiskStatus, PoolFacts, PoolSpec


def pattern_of(pool: PoolSpec) -> str:
    """Which disks a pool is: all of a machine's, or those whose names fit `disk:///nvme*`."""
    parts = urlsplit(pool.url)
    if parts.scheme != "disk" or parts.netloc:
        raise Refused(
            f"{pool.url} is no pool of a machine: write disk:/// for all its disks, or the names "
            "that it is of, as in disk:///nvme*"
        )
    return unquote(parts.path).strip("/") or "*"


class Disks:
    """The storage verbs on one machine."""

    def __init__(self, node: Node, images: Images) -> None:
        self._node, self._images = node, images

    async def open_pool(self, pool: PoolSpec) -> PoolFacts:
        pattern = pattern_of(pool)
        async with self._node.turn:
            await self._node.inspect()
        if not self._of(pool):
            has = ", ".join(disk.name for disk in self._node.card.disks) or "none"
            raise Refused(f"{self._node.name} has no disk that fits {pattern}; it has {has}")
        return self.facts(pool)

    def facts(self, pool: PoolSpec) -> PoolFacts:
        disks = [disk for disk in self._of(pool) if not disk.stranger]
        return PoolFacts(
            capacity_bytes=sum(disk.size_bytes for disk in disks),
            used_bytes=sum(disk.size_bytes for disk in disks if disk.volume is not None),
        )

    async def create(self, pool: PoolSpec, spec: DiskSpec, *, rests: bool) -> DiskStatus:
        """`rests`: the image is kept for as long as the disk is there.

        Of an installer's image the disk stays empty until the guest's first start.
        """
        async with self._node.turn:
            if (there := self._node.card.whole(spec.volume_id)) is not None:
                return status(*there)
            await self._node.inspect()
            image = None
            if spec.image is not None:
                image = await self._images.keep(pool.pool_id, spec.image)
            size_bytes = max(spec.size_bytes, image.size_bytes if image else 0)
            disk = self._node.card.holding(spec.volume_id) or self._choose(pool, size_bytes, image)
            agent = await self._node.with_agent()
            disk = next(one for one in self._node.card.disks if one.path == disk.path)
            if disk.dirty and not await self._wipe(disk):
                raise Unavailable(self._wiping(disk))
            volume = Volume(
                volume_id=str(spec.volume_id),
                size_bytes=size_bytes,
                image_id=str(spec.image.image_id) if spec.image else "",
                rests=rests and spec.image is not None,
                labelled=image is None or image.is_installer or label.fits(Path(image.path)),
                installer=image.path if image is not None and image.is_installer else "",
                installs=image is not None and image.is_installer,
            )
            if disk.volume is not None:
                if disk.volume.volume_id != volume.volume_id:
                    raise Unavailable(f"{disk.path} was taken meanwhile: try again")
                volume.written = disk.volume.written
            disk.volume = volume
            self._node.save()
            if image is not None and not image.is_installer:
                await self._write_image(disk, volume, image)
            await self.put_label(disk, volume)
            volume.written, volume.whole = "", True
            self._node.save()
            assert agent is self._node.agent
            return status(disk, volume)

    def resize(self, volume_id: UUID, size_bytes: int) -> DiskStatus:
        """The disk is as large as it is; what grows is how much of it is promised."""
        there = self._node.card.whole(volume_id)
        if there is None:
            raise Refused(f"{self._node.name} has no volume {volume_id}")
        disk, volume = there
        if size_bytes < volume.size_bytes:
            raise Refused(f"volume {volume_id} has {volume.size_bytes} bytes and never shrinks")
        if size_bytes > disk.size_bytes:
            raise Refused(f"{disk.path} has {disk.size_bytes} bytes, and no more than that")
        volume.size_bytes = size_bytes
        self._node.save()
        return status(disk, volume)

    async def remove(self, volume_id: UUID) -> None:
        """The volume is gone from its disk when this returns; a long wipe goes on by itself."""
        async with self._node.turn:
            card = self._node.card
            disk = card.holding(volume_id)
            if disk is not None:
                if await self._node.guest_runs():
                    assert card.guest is not None
                    raise Refused(
                        f"guest {card.guest.name} runs on {self._node.name}: stop it first, a "
                        "running machine's disks are not wiped"
                    )
                disk.volume, disk.dirty, disk.was = None, True, str(volume_id)
                self._node.save()
            disk = next((d for d in card.disks if d.dirty and d.was == str(volume_id)), None)
            if disk is None:
                return
            path = disk.path
            await self._node.with_agent()
            disk = next(one for one in self._node.card.disks if one.path == path)
            await self._wipe(disk)

    async def clean(self) -> None:
        """Wipe every disk that is dirty; Unavailable while that goes on."""
        while (disk := next((d for d in self._node.card.disks if d.dirty), None)) is not None:
            await self._node.with_agent()
            if not disk.dirty or disk not in self._node.card.disks:
                continue
            if not await self._wipe(disk):
                raise Unavailable(self._wiping(disk))

    def find(self, pool: PoolSpec, volume_id: UUID) -> DiskStatus | None:
        found = (one for one in self.all(pool) if one.volume_id == volume_id)
        return next(found, None)

    def all(self, pool: PoolSpec) -> list[DiskStatus]:
        """Whole volumes, and disks that hold what nobody of ours wrote."""
        found = []
        for disk in self._of(pool):
            if disk.volume is not None and disk.volume.whole:
                found.append(status(disk, disk.volume))
            elif disk.stranger:
                found.append(
                    DiskStatus(
                        volume_id=None,
                        path=disk.path,
                        size_bytes=disk.size_bytes,
                        used_bytes=disk.size_bytes,
                        image_format="raw",
                    )
                )
        return found

    def rests_on(self, image_id: UUID) -> bool:
        volumes = (disk.volume for disk in self._node.card.disks if disk.volume)
        return any(one.rests and one.image_id == str(image_id) for one in volumes)

    # ---- what the agent is told --------------------------------------------------------------

    async def put(self, disk: Disk, at: int, data: bytes, what: str) -> None:
        """Write these bytes there."""
        summed = hashlib.sha256(data).hexdigest()
        words = f"write {disk.name} {at} {len(data)} {summed}"
        await self._node.order(self._node.agent.give(f"{what} on {disk.path}", words, payload=data))

    async def put_label(self, disk: Disk, volume: Volume) -> None:
        if volume.labelled:
            await self.put(disk, label.OFFSET_BYTES, label.write(volume), "label")

    async def _write_image(self, disk: Disk, volume: Volume, image: Kept) -> None:
        if volume.written != image.sha256:
            await self._write_all(disk, volume, image)
        head = _head(Path(image.path))
        volume.config_at, writes = partition.add_config(
            head, image.size_bytes, disk.size_bytes, uuid4()
        )
        for at, data in writes:
            await self.put(disk, at, data, f"table at {at}")

    async def _write_all(self, disk: Disk, volume: Volume, image: Kept) -> None:
        """Write an image whole. Its end is on the card, whether or not somebody still waits."""

        def done() -> None:
            for one in self._node.card.disks:
                if one.volume is not None and one.volume.volume_id == volume.volume_id:
                    one.volume.written = image.sha256
            self._node.save()

        words = f"write {disk.name} 0 {image.size_bytes} {image.sha256}"
        name = f"write image {volume.image_id} to {disk.path} for {volume.volume_id}"
        give = self._node.agent.give
        await self._node.order(give(name, words, payload=Path(image.path), then=done))

    async def _wipe(self, disk: Disk) -> bool:
        """True once it is done; one that takes longer goes on, and cleans the card at its end."""
        path = disk.path

        def done() -> None:
            for one in self._node.card.disks:
                if one.path == path:
                    one.dirty, one.was, one.stranger, one.volume = False, "", False, None
            self._node.save()

        order: Order = self._node.agent.give(f"wipe {path}", f"wipe {disk.name}", then=done)
        return await self._node.order(order, within_s=self._node.settings.wipe_wait_s)

    def _wiping(self, disk: Disk) -> str:
        return (
            f"{disk.path} of {self._node.name} is being wiped of what was on it before, and that "
            "goes on by itself: try again later"
        )

    # ---- which disk ----------------------------------------------------------------------------

    def _of(self, pool: PoolSpec) -> list[Disk]:
        pattern = pattern_of(pool)
        return [disk for disk in self._node.card.disks if fnmatchcase(disk.name, pattern)]

    def _choose(self, pool: PoolSpec, size_bytes: int, image: Kept | None) -> Disk:
        """For an image the disk that the firmware boots from, else the smallest that fits."""
        disks = self._of(pool)
        large = [disk for disk in disks if disk.size_bytes >= size_bytes and not disk.stranger]
        if not large:
            has = ", ".join(f"{disk.name} {disk.size_bytes}" for disk in disks)
            raise Refused(f"no disk of {self._node.name} holds {size_bytes} bytes; it has {has}")
        free = [disk for disk in large if disk.volume is None]
        if not free:
            raise Unavailable(f"every disk of {self._node.name} that is large enough is taken")
        root = self._node.address.root
        boots = [disk for disk in free if root and root in (disk.name, disk.serial)]
        if image is not None:
            return boots[0] if boots else free[0]
        others = [disk for disk in free if disk not in boots]
        return min(others or free, key=lambda disk: (disk.size_bytes, -free.index(disk)))


def status(disk: Disk, volume: Volume) -> DiskStatus:
    return DiskStatus(
        volume_id=UUID(volume.volume_id),
        path=disk.path,
        size_bytes=volume.size_bytes,
        used_bytes=volume.size_bytes,
        image_format="raw",
    )


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(partition.HEAD_SECTORS * partition.SECTOR)
