"""Copies of disks: snapshots that stand alone, reverting, moving, and files of the controller's.

A snapshot of ours is a clone of the volume: Cinder's own snapshots lie within their volume, which
could not go before them. What takes more than one step is marked as being made until it is whole.
"""

from __future__ import annotations

import os
from contextlib import suppress
from uuid import UUID

from drivers.contract.errors import DriverError, Refused, Unavailable
from drivers.contract.storage import (
    DiskPlace,
    DiskSpec,
    DiskStatus,
    ImageFacts,
    PoolSpec,
    SnapshotStatus,
)
from drivers.kit import images as tools
from drivers.openstack import names, pools
from drivers.openstack.disks import Disks
from drivers.openstack.images import Images
from drivers.openstack.retypes import Retypes
from drivers.openstack.volumes import (
    Volumes,
    disk_status,
    first_whole,
    gib,
    is_whole,
    snapshot_status,
)
from drivers.openstack.watch import Row

REPLACES = "sagastack_replaces"


class Copies:
    """Everything that makes a volume of a volume."""

    def __init__(self, volumes: Volumes, images: Images, disks: Disks) -> None:
        self._volumes, self._images, self._disks = volumes, images, disks
        self._retypes = Retypes(volumes.client, volumes)

    async def keep(
        self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID, *, key: UUID
    ) -> SnapshotStatus:
        """Cinder clones a volume that a server has as well, as it is on the disk then."""
        doing = f"keep snapshot {snapshot_id} of disk {volume_id}"
        async with self._volumes.locks.held(snapshot_id):
            rows = await self._volumes.marked(pool, names.SNAPSHOT, snapshot_id)
            if (there := await self._volumes.clear_unmade(rows, doing)) is not None:
                return snapshot_status(there)
            source = await self._volumes.need(pool, volume_id)
            made = await self._volumes.make(
                pool,
                {names.SNAPSHOT: str(snapshot_id), names.KEY: str(key)},
                source["size"],
                volume_type=source["volume_type"] or "",
                source={"source_volid": source["id"]},
            )
            made = await self._volumes.eldest(pool, names.SNAPSHOT, snapshot_id, made)
            return snapshot_status(made)

    async def forget(self, pool: PoolSpec, snapshot_id: UUID) -> None:
        await self._disks.remove(pool, snapshot_id, names.SNAPSHOT)

    async def find(self, pool: PoolSpec, snapshot_id: UUID) -> SnapshotStatus | None:
        row = first_whole(await self._volumes.marked(pool, names.SNAPSHOT, snapshot_id))
        return None if row is None else snapshot_status(row)

    async def listing(self, pool: PoolSpec) -> list[SnapshotStatus]:
        """Those with our mark: a stranger's volume is a disk to us, whatever it was made of."""
        rows = await self._volumes.listing(**{names.POOL: str(pool.pool_id)})
        return [
            snapshot_status(row)
            for row in rows
            if is_whole(row) and names.SNAPSHOT in row["metadata"]
        ]

    async def copy(
        self, source: DiskPlace, pool: PoolSpec, disk: DiskSpec, *, key: UUID
    ) -> DiskStatus:
        """A clone of the source's type, that is then given the pool's.

        The copying may outlast a controller: who asks again waits for what is under way.
        """
        doing = f"copy {source.disk_id} to disk {disk.volume_id} in pool {pool.url}"
        async with self._volumes.locks.held(disk.volume_id):
            rows = await self._volumes.marked(pool, names.VOLUME, disk.volume_id)
            if (whole := await self._retyped(rows, pool, key, doing)) is not None:
                return disk_status(await self._let_in(whole))
            if (there := await self._volumes.clear_unmade(rows, doing)) is not None:
                return disk_status(there)
            origin = await self._source(source, doing)
            marks = {names.VOLUME: str(disk.volume_id), names.KEY: str(key)}
            size = max(gib(disk.size_bytes), origin["size"])
            made = await self._clone(pool, origin, marks, size)
            return disk_status(await self._volumes.eldest(pool, names.VOLUME, disk.volume_id, made))

    async def _retyped(self, rows: list[Row], pool: PoolSpec, key: UUID, doing: str) -> Row | None:
        """A clone that an earlier try with this key left, if it came to be of the pool's type."""
        for row in rows:
            marks = row["metadata"]
            if names.MAKING in marks and marks.get(names.KEY) == str(key):
                now = await self._volumes.settled(row["id"], doing)
                wanted = pools.volume_type(pool)
                if now and (now["status"], now["volume_type"]) == ("available", wanted):
                    return now
        return None

    async def revert(self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID) -> DiskStatus:
        """Another volume takes the disk's place: a clone of what was kept.

        A crash after the old one went leaves its heir marked as being made; it is found by what
        it replaces and let in.
        """
        doing = f"revert disk {volume_id} to snapshot {snapshot_id}"
        async with self._volumes.locks.held(volume_id):
            kept = first_whole(await self._volumes.marked(pool, names.SNAPSHOT, snapshot_id))
            rows = await self._volumes.marked(pool, names.VOLUME, volume_id)
            old = first_whole(rows)
            heirs = [one for one in rows if REPLACES in one["metadata"] and one is not old]
            if old is None and heirs and heirs[0]["status"] == "available":
                return disk_status(await self._let_in(heirs[0]))
            if old is None or kept is None:
                lacking = f"no disk {volume_id}" if old is None else f"no snapshot {snapshot_id}"
                raise Refused(f"{doing}: there is {lacking} in pool {pool.url}")
            old = await self._disks.unused(old, doing)
            for one in heirs:
                await self._volumes.remove(one)
            own = {
                names.VOLUME: str(volume_id),
                names.MAKING: "1",
                REPLACES: old["id"],
                **{mark: old["metadata"][mark] for mark in KEPT if mark in old["metadata"]},
            }
            heir = await self._clone(pool, kept, own, max(old["size"], kept["size"]), open_=False)
            await self._volumes.remove(old)
            return disk_status(await self._let_in(heir))

    async def move(self, volume_id: UUID, origin: Row, pool: PoolSpec) -> DiskStatus:
        """Cinder gives a volume another type, and Nova lets the guest go on from the copy.

        The volume keeps its id at Cinder; it lies in the other pool once it is of its type.
        """
        doing = f"move disk {volume_id} to pool {pool.url}"
        row = await self._retypes.give(origin, pools.volume_type(pool), doing)
        await self._volumes.mark(row, {names.POOL: str(pool.pool_id)})
        return disk_status(await self._volumes.need(pool, volume_id))

    async def export(self, source: DiskPlace, path: str, *, key: UUID) -> ImageFacts:
        """By way of an image in Glance, which goes when the file is written."""
        doing, name = f"export {source.disk_id}", f"sagastack export {source.disk_id}"
        async with self._volumes.locks.held(("export", source.disk_id)):
            row = await self._source(source, doing)
            if row["status"] == "uploading":
                limit_s = self._volumes.client.settings.image_s
                row = await self._volumes.until(row["id"], ("available",), doing, limit_s=limit_s)
            await self._clear(name)
            asked = {
                "image_name": name,
                "disk_format": "qcow2",
                "container_format": "bare",
                "force": False,
            }
            said = await self._volumes.act(row, "os-volume_upload_image", asked, doing)
            try:
                glance_id = said["os-volume_upload_image"]["image_id"]
                await self._images.whole(glance_id, doing)
                return await self._download(glance_id, path)
            finally:
                with suppress(DriverError):
                    await self._clear(name)

    async def _download(self, glance_id: str, path: str) -> ImageFacts:
        fetched = f"{path}.fetched"
        try:
            await self._images.fetch(glance_id, fetched)
            found = await tools.convert(fetched, "qcow2", path, "qcow2")
        finally:
            with suppress(FileNotFoundError):
                os.unlink(fetched)
        return ImageFacts(
            image_format="qcow2", virtual_bytes=found.virtual_bytes, file_bytes=found.file_bytes
        )

    async def _clear(self, name: str) -> None:
        for one in await self._images.named(name):
            await self._images.remove(one["id"])

    async def _source(self, source: DiskPlace, doing: str) -> Row:
        """The volume that is copied from: a snapshot, or a disk that no guest uses."""
        if source.is_snapshot:
            return await self._volumes.need(source.pool, source.disk_id, names.SNAPSHOT)
        row = await self._volumes.need(source.pool, source.disk_id)
        return await self._disks.unused(row, doing)

    async def _clone(
        self,
        pool: PoolSpec,
        origin: Row,
        marks: dict[str, str],
        size_gib: int,
        *,
        open_: bool = True,
    ) -> Row:
        """A clone in a pool, of its type; marked as being made until it is, and on unless `open_`.

        Cinder clones within a type only.
        """
        wanted, has = pools.volume_type(pool), origin["volume_type"] or ""
        far = bool(wanted) and wanted != has
        doing = f"copy volume {origin['id']} into pool {pool.url}"
        made = await self._volumes.make(
            pool,
            {**marks, names.MAKING: "1"} if far else marks,
            size_gib,
            volume_type=has,
            source={"source_volid": origin["id"]},
        )
        if far:
            made = await self._retypes.give(made, wanted, doing)
            if open_:
                made = await self._let_in(made)
        return made

    async def _let_in(self, row: Row) -> Row:
        """Now it is whole: a disk like others."""
        await self._volumes.unmark(row, REPLACES, names.MAKING)
        now = await self._volumes.get(row["id"])
        if now is None:
            raise Unavailable(f"volume {row['id']} was removed just as it was whole")
        return now


KEPT = (names.KEY, names.BASE)
