"""Snapshots that stand alone, and copies: all of them are full copies that the host makes.

The disk of a machine that runs is locked. A snapshot of the machine, without its memory, lets it
go on in another file meanwhile: what the disk was at that moment is then read and copied, and the
snapshot is merged away again. Its name holds our id, so that a crash leaves nothing unknown.
"""

from __future__ import annotations

from uuid import UUID

from drivers.contract.compute import Power
from drivers.contract.errors import Refused, Unavailable
from drivers.contract.storage import (
    DiskPlace,
    DiskSpec,
    DiskStatus,
    ImageFacts,
    PoolSpec,
    SnapshotStatus,
)
from drivers.kit import images
from drivers.vsphere.client import Vcenter
from drivers.vsphere.disks import Disks, disk_path, whole_kib
from drivers.vsphere.firmware import Firmware
from drivers.vsphere.inventory import Store
from drivers.vsphere.machines import Machine, slot_of
from drivers.vsphere.moments import Moments
from drivers.vsphere.sdk import vim
from drivers.vsphere.store import Stores
from drivers.vsphere.tasks import Tasks

COPYING = "sagastack-copy-"


class Copies:
    """Copies of the disks of one vCenter's datastores."""

    def __init__(
        self, vcenter: Vcenter, tasks: Tasks, disks: Disks, moments: Moments, firmware: Firmware
    ) -> None:
        self._vcenter, self._tasks = vcenter, tasks
        self._disks, self._moments, self._firmware = disks, moments, firmware
        self._stores: Stores = disks.stores

    async def keep(
        self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID, *, key: UUID
    ) -> SnapshotStatus:
        async with self._tasks.turn(snapshot_id):
            if (there := await self.find(pool, snapshot_id)) is not None:
                return there
            disk = await self._disks.find(pool, volume_id)
            if disk is None:
                raise Refused(f"snapshot of disk {volume_id}: it is not in pool {pool.url}")
            store = await self._stores.at(pool)
            part = await self._disks.part(store, snapshot_id, key)
            machine = await self._disks.user(store, disk.path)
            if machine is not None and machine.power is not Power.OFF:
                await self._copy_alive(store, machine, volume_id, part, snapshot_id)
            else:
                file = _file_of(machine, volume_id, disk.path)
                await self._stores.copy(store, file, store, part, "thin", about=snapshot_id)
            await self._stores.finish(store, part, kept_path(store, snapshot_id), about=snapshot_id)
            found = await self.find(pool, snapshot_id)
            if found is None:
                raise Unavailable(f"snapshot {snapshot_id} is not seen in pool {pool.url} yet")
            return found

    async def _copy_alive(
        self, store: Store, machine: Machine, volume_id: UUID, part: str, snapshot_id: UUID
    ) -> None:
        disk = machine.disk_of(volume_id)
        note = machine.note
        if disk is None or note is None:
            raise Unavailable(f"disk {volume_id} is just being changed on {machine.name}")
        name = f"{COPYING}{snapshot_id}"
        async with self._tasks.turn(note.guest):
            moment = await self._moments.find(machine.ref, name)
            if moment is None:
                moment = await self._moments.keep(
                    machine.ref, name, with_memory=False, about=note.guest
                )
            kept = moment
            devices = await self._vcenter.read(
                lambda: list(kept.config.hardware.device), doing=f"look at snapshot {name}"
            )
            file = next(
                str(one.backing.fileName)
                for one in devices
                if isinstance(one, vim.vm.device.VirtualDisk) and slot_of(one) == disk.slot
            )
            try:
                await self._stores.copy(store, file, store, part, "thin", about=snapshot_id)
            finally:
                await self._moments.forget(kept, about=note.guest)

    async def find(self, pool: PoolSpec, snapshot_id: UUID) -> SnapshotStatus | None:
        listed = await self._list(pool, f"{snapshot_id}.vmdk")
        return listed[0] if listed else None

    async def list_all(self, pool: PoolSpec) -> list[SnapshotStatus]:
        return await self._list(pool, "*")

    async def _list(self, pool: PoolSpec, pattern: str) -> list[SnapshotStatus]:
        store = await self._stores.at(pool)
        return [
            SnapshotStatus(
                snapshot_id=one.id,
                path=store.path("snapshots", one.name),
                size_bytes=one.size_bytes,
                used_bytes=one.used_bytes,
                image_format="vmdk",
            )
            for one in await self._stores.search(store, pattern, folder="snapshots")
            if one.size_bytes is not None and one.name.endswith(".vmdk")
        ]

    async def forget(self, pool: PoolSpec, snapshot_id: UUID) -> None:
        store = await self._stores.at(pool)
        async with self._tasks.turn(snapshot_id):
            for one in await self._stores.search(store, f"{snapshot_id}.*"):
                if one.folder in ("snapshots", "incoming"):
                    path = store.path(one.folder, one.name)
                    await self._stores.delete(store, path, about=snapshot_id)
            await self._moments.forget_named(store.datacenter, f"{COPYING}{snapshot_id}")

    async def revert(
        self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID, *, key: UUID
    ) -> DiskStatus:
        doing = f"revert disk {volume_id}"
        async with self._tasks.turn(volume_id):
            there = await self._disks.find(pool, volume_id)
            if there is None:
                raise Refused(f"{doing}: it is not in pool {pool.url}")
            kept = await self.find(pool, snapshot_id)
            if kept is None:
                raise Refused(f"{doing}: snapshot {snapshot_id} is not in pool {pool.url}")
            store = await self._stores.at(pool)
            if await self._disks.unused(store, there.path, doing) is not None:
                raise Refused(
                    f"{doing}: snapshots of its whole guest lie in it: remove those, then revert"
                )
            part = await self._disks.part(store, volume_id, key)
            await self._stores.copy(store, kept.path, store, part, "thin", about=volume_id)
            await self._disks.grown(store, part, there.size_bytes, about=volume_id)
            await self._stores.move(store, part, store, there.path, about=volume_id, over=True)
            return await self._disks.made(pool, volume_id)

    async def copy(
        self, source: DiskPlace, pool: PoolSpec, disk: DiskSpec, *, key: UUID
    ) -> DiskStatus:
        async with self._tasks.turn(disk.volume_id):
            if (there := await self._disks.find(pool, disk.volume_id)) is not None:
                return there
            doing = f"copy {source.disk_id} to disk {disk.volume_id}"
            origin, file, _ = await self._source(source, doing)
            store, about = await self._stores.at(pool), disk.volume_id
            if not source.is_snapshot and source.disk_id == about:
                await self._remembered(source.pool, pool, about)
            part = await self._disks.part(store, about, key)
            await self._stores.copy(origin, file, store, part, "thin", about=about)
            await self._disks.grown(store, part, whole_kib(disk.size_bytes), about=about)
            await self._stores.finish(store, part, disk_path(store, about), about=about)
            return await self._disks.made(pool, about)

    async def _remembered(self, old: PoolSpec, new: PoolSpec, volume_id: UUID) -> None:
        """A disk that goes to another pool has what its guest's firmware remembers with it."""
        if (was := await self._disks.find(old, volume_id)) is not None:
            source, target = await self._stores.at(old), await self._stores.at(new)
            to = disk_path(target, volume_id)
            await self._firmware.along(source, was.path, target, to, about=volume_id)

    async def export(self, source: DiskPlace, path: str, *, key: UUID) -> ImageFacts:
        """A chain is made one file first: what is fetched has no parent."""
        doing = f"export {source.disk_id}"
        origin, file, size_bytes = await self._source(source, doing)
        async with self._tasks.turn(source.disk_id), self._disks.scratch() as folder:
            part = await self._disks.part(origin, source.disk_id, key)
            await self._stores.copy(origin, file, origin, part, "thin", about=source.disk_id)
            try:
                await self._stores.files.get_disk(origin, part, f"{folder}/raw", size_bytes)
            finally:
                await self._stores.delete(origin, part, about=source.disk_id)
            made = await images.convert(f"{folder}/raw", "raw", path, "qcow2")
        return ImageFacts(
            image_format=made.image_format,
            virtual_bytes=made.virtual_bytes,
            file_bytes=made.file_bytes,
        )

    async def _source(self, source: DiskPlace, doing: str) -> tuple[Store, str, int]:
        """Where it is, which file holds its bytes now, and its size. Refused: a guest uses it."""
        store = await self._stores.at(source.pool)
        if source.is_snapshot:
            kept = await self.find(source.pool, source.disk_id)
            if kept is None:
                raise Refused(f"{doing}: snapshot {source.disk_id} is not in {source.pool.url}")
            return store, kept.path, kept.size_bytes
        there = await self._disks.find(source.pool, source.disk_id)
        if there is None:
            raise Refused(f"{doing}: disk {source.disk_id} is not in pool {source.pool.url}")
        parked = await self._disks.unused(store, there.path, doing)
        return store, _file_of(parked, source.disk_id, there.path), there.size_bytes


def kept_path(store: Store, snapshot_id: UUID) -> str:
    return store.path("snapshots", f"{snapshot_id}.vmdk")


def _file_of(machine: Machine | None, volume_id: UUID, path: str) -> str:
    """What holds a disk's bytes now: its own file, or its machine's latest."""
    disk = machine.disk_of(volume_id) if machine is not None else None
    return disk.file if disk is not None else path
