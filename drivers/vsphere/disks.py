"""Primary storage: disks of datastores, made of blank room or of images that the pool keeps.

A clone is a full copy that stands alone, as CloudStack makes them unless told otherwise. Which
machine has a disk is read from the notes on machines; a disk's path is `disks/<id>.vmdk` of its
pool for ever, though a snapshot or a storage vMotion lets its machine write to another file.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from drivers.contract.errors import Refused, Unavailable
from drivers.contract.storage import (
    DiskSpec,
    DiskStatus,
    ImageSource,
    PoolFacts,
    PoolSpec,
)
from drivers.kit import images, ovf
from drivers.vsphere.client import Vcenter
from drivers.vsphere.files import SECTOR_BYTES
from drivers.vsphere.firmware import kept_path
from drivers.vsphere.inventory import Inventory, Store
from drivers.vsphere.machines import Machine
from drivers.vsphere.notes import Note
from drivers.vsphere.sdk import vim
from drivers.vsphere.store import LAYOUTS, File, Stores
from drivers.vsphere.tasks import Tasks

DISC = "iso"
FORMATS = ("vmdk", "ova", "raw", "qcow2", "vhd", "vhdx")
ADOPTED, DISOWNED, MOVED = "adopted", "disowned", "moved"


def whole_kib(size_bytes: int) -> int:
    """vSphere counts disks in KiB."""
    return -(-size_bytes // 1024) * 1024


class Disks:
    """The disks that one vCenter's datastores hold for us."""

    def __init__(
        self, vcenter: Vcenter, tasks: Tasks, inventory: Inventory, stores: Stores
    ) -> None:
        self._vcenter, self._tasks = vcenter, tasks
        self._inventory, self.stores = inventory, stores

    async def open_pool(self, pool: PoolSpec) -> PoolFacts:
        await self.stores.at(pool)
        return await self.stores.facts(pool)

    async def create(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> DiskStatus:
        async with self._tasks.turn(disk.volume_id):
            if (there := await self.find(pool, disk.volume_id)) is not None:
                return there
            store = await self.stores.at(pool)
            size_bytes, about = whole_kib(disk.size_bytes), disk.volume_id
            await self._has_room(pool, size_bytes)
            layout = _layout(disk)
            part = await self.part(store, disk.volume_id, key)
            if disk.image is None:
                await self.stores.create(store, part, size_bytes, layout, about=about)
            else:
                base = await self.keep(pool, disk.image, key=key)
                await self.stores.copy(store, base, store, part, layout, about=about)
                await self.grown(store, part, size_bytes, about=about)
            await self.stores.finish(store, part, disk_path(store, about), about=about)
            return await self.made(pool, disk.volume_id)

    async def bring(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> DiskStatus:
        """A disk of its own from an image of the controller's."""
        if disk.image is None:
            raise Refused(f"disk {disk.volume_id}: say which image it is made of")
        async with self._tasks.turn(disk.volume_id):
            if (there := await self.find(pool, disk.volume_id)) is not None:
                return there
            store, about = await self.stores.at(pool), disk.volume_id
            await self._has_room(pool, whole_kib(disk.size_bytes))
            part = await self.part(store, disk.volume_id, key)
            await self._upload(store, disk.image, part, _layout(disk), about=about)
            await self.grown(store, part, whole_kib(disk.size_bytes), about=about)
            await self.stores.finish(store, part, disk_path(store, about), about=about)
            return await self.made(pool, disk.volume_id)

    async def keep(self, pool: PoolSpec, image: ImageSource, *, key: UUID) -> str:
        """Bring an image into the pool, once: two who want it at once wait for one."""
        store = await self.stores.at(pool)
        suffix = DISC if image.image_format == DISC else "vmdk"
        final = store.path("images", f"{image.image_id}.{suffix}")
        about = _in_pool(image.image_id, pool)
        async with self._tasks.turn(about):
            found = await self.stores.search(store, f"{image.image_id}.*")
            if any(one.folder == "images" for one in found):
                return final
            await self.stores.clear(store, found, about=about)
            part = store.path("incoming", f"{image.image_id}.{key}.{suffix}")
            if suffix == DISC:
                await self.stores.files.put(store, part, image.path)
                await self.stores.move_file(store, part, final, about=about)
            else:
                await self._upload(store, image, part, "thin", about=about)
                await self.stores.finish(store, part, final, about=about)
        return final

    async def _upload(
        self, store: Store, image: ImageSource, part: str, layout: str, *, about: UUID
    ) -> None:
        """As raw bytes under another name, of which the host makes a disk as it likes them."""
        if image.image_format not in FORMATS:
            raise Refused(
                f"image {image.image_id} is {image.image_format!r}: vSphere takes "
                f"{', '.join(FORMATS)}"
            )
        async with self.scratch() as folder:
            source, kind = image.path, image.image_format
            if kind == "ova":
                source, kind = f"{folder}/disk.vmdk", "vmdk"
                await asyncio.to_thread(ovf.extract, image.path, image.part, source)
            seen = await images.look(source, kind)
            if seen.backing:
                raise Refused(f"image {image.image_id} needs another file: {seen.backing}")
            raw = f"{folder}/raw"
            await images.convert(source, kind, raw, "raw")
            size_bytes = await asyncio.to_thread(_padded, raw)
            sent = f"{part.removesuffix('.vmdk')}.sent.vmdk"
            await self.stores.files.put_disk(store, sent, raw, size_bytes)
        await self.stores.copy(store, sent, store, part, layout, about=about)
        await self.stores.delete(store, sent, about=about)

    async def listed_images(self, pool: PoolSpec) -> list[UUID]:
        store = await self.stores.at(pool)
        found = await self.stores.search(store, folder="images")
        return [one.id for one in found if one.id is not None]

    async def drop(self, pool: PoolSpec, image_id: UUID) -> bool:
        """Clones stand alone, so only a disc in somebody's drive stays."""
        store, about = await self.stores.at(pool), _in_pool(image_id, pool)
        async with self._tasks.turn(about):
            found = await self.stores.search(store, f"{image_id}.*")
            for one in found:
                path = store.path(one.folder, one.name)
                if one.name.endswith(f".{DISC}"):
                    if await self._is_read(store, path):
                        return False
                    await self.stores.delete_file(store, path, about=about)
                else:
                    await self.stores.delete(store, path, about=about)
        return True

    async def _is_read(self, store: Store, path: str) -> bool:
        for machine, _ in await self._inventory.noted(store.datacenter):
            seen = await self._inventory.look(machine.ref)
            if seen is not None and path in seen.status().disks:
                return True
        return False

    async def find(self, pool: PoolSpec, volume_id: UUID) -> DiskStatus | None:
        listed = await self._listing(pool, f"{volume_id}*")
        return next((one for one in listed if one.volume_id == volume_id), None)

    async def list_all(self, pool: PoolSpec) -> list[DiskStatus]:
        return await self._listing(pool, "*")

    async def _listing(self, pool: PoolSpec, pattern: str) -> list[DiskStatus]:
        """Disks by their files, by marks of what was adopted, and by what machines have."""
        store = await self.stores.at(pool)
        found = await self.stores.search(store, pattern)
        marks = {(one.name.rsplit(".", 1)[-1], one.id) for one in found if one.folder == "marks"}
        disks = {}
        for one in found:
            if one.folder == "disks" and one.name.endswith(".vmdk") and one.size_bytes is not None:
                ours = None if (DISOWNED, one.id) in marks else one.id
                path = store.path("disks", one.name)
                disks[path] = _status(ours, path, one.size_bytes, one.used_bytes)
        for mark, volume_id in marks:
            if mark == ADOPTED and volume_id is not None:
                adopted = await self._adopted(store, volume_id)
                if adopted is not None:
                    disks[adopted.path] = adopted
            elif mark == MOVED and volume_id is not None:
                moved = await self._moved(store, volume_id)
                if moved is not None:
                    disks.setdefault(moved.path, moved)
        return list(disks.values())

    async def _adopted(self, store: Store, volume_id: UUID) -> DiskStatus | None:
        path = await self.stores.files.text(store, mark_path(store, volume_id, ADOPTED))
        size = await self.stores.files.capacity(store, path) if path else None
        return _status(volume_id, path, size, size) if path and size is not None else None

    async def _moved(self, store: Store, volume_id: UUID) -> DiskStatus | None:
        """A disk that a storage vMotion has brought: the machine that has it is named by a mark."""
        text = await self.stores.files.text(store, mark_path(store, volume_id, MOVED))
        path = disk_path(store, volume_id)
        if not text:
            return None
        machine = await self._inventory.machine(UUID(text.strip()), store.datacenter)
        note = machine.note if machine is not None else None
        if machine is None or note is None or (held := note.disks.get(volume_id)) is None:
            return None
        disk = machine.disk_of(volume_id)
        if held.path != path or disk is None:
            return None
        return _status(volume_id, path, disk.size_bytes, disk.size_bytes)

    async def mark_moved(self, store: Store, volume_id: UUID, guest_id: UUID) -> None:
        """So that a disk is found in this pool once its machine's note says that it is there."""
        mark = mark_path(store, volume_id, MOVED)
        await self.stores.files.put_text(store, mark, str(guest_id))

    async def resize(self, pool: PoolSpec, volume_id: UUID, *, size_bytes: int) -> DiskStatus:
        size_bytes = whole_kib(size_bytes)
        async with self._tasks.turn(volume_id):
            there = await self.find(pool, volume_id)
            if there is None:
                raise Refused(f"disk {volume_id} is not in pool {pool.url}: nothing to resize")
            if size_bytes < there.size_bytes:
                raise Refused(
                    f"disk {volume_id} never shrinks from {there.size_bytes} bytes to {size_bytes}"
                )
            if size_bytes == there.size_bytes:
                return there
            await self._has_room(pool, size_bytes)
            store = await self.stores.at(pool)
            machine = await self.user(store, there.path)
            if machine is None:
                await self.stores.extend(store, there.path, size_bytes, about=volume_id)
            else:
                await self._grow_held(machine, volume_id, size_bytes)
            return await self.made(pool, volume_id)

    async def _grow_held(self, machine: Machine, volume_id: UUID, size_bytes: int) -> None:
        disk = machine.disk_of(volume_id)
        if disk is None:
            raise Unavailable(f"disk {volume_id} is just being changed on {machine.name}")
        if disk.file != disk.base:
            raise Refused(
                f"disk {volume_id} holds snapshots of guest {machine.name}: remove them first"
            )
        disk.device.capacityInKB = size_bytes // 1024
        disk.device.capacityInBytes = size_bytes
        change = vim.vm.device.VirtualDeviceSpec(operation="edit", device=disk.device)
        await self._tasks.run(
            lambda: machine.ref.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[change])),
            about=volume_id, doing=f"grow disk {volume_id} of {machine.name}",
        )  # fmt: skip

    async def user(self, store: Store, path: str) -> Machine | None:
        """The machine whose note names a disk, as it is now; parked ones are among them."""
        for machine, note in await self._inventory.noted(store.datacenter):
            if any(held.path == path for held in note.disks.values()) or path in note.away:
                return await self._inventory.look(machine.ref)
        return None

    async def unused(self, store: Store, path: str, doing: str) -> Machine | None:
        """The parked machine that has a disk, if any. Refused: a guest uses it."""
        machine = await self.user(store, path)
        note: Note | None = machine.note if machine is not None else None
        if machine is not None and note is not None and not note.parked:
            raise Refused(f"{doing}: guest {machine.name} uses it")
        return machine

    async def remove_file(self, pool: PoolSpec, volume_id: UUID) -> None:
        """The file and all that is half made of it; that nobody uses it is known."""
        store = await self.stores.at(pool)
        for one in await self.stores.search(store, f"{volume_id}*"):
            path = store.path(one.folder, one.name)
            if one.folder in ("disks", "incoming") and one.name.endswith(".vmdk"):
                await self.stores.delete(store, path, about=volume_id)
            elif one.folder == "disks":  # what its guest's firmware remembered
                await self.stores.delete_file(store, path, about=volume_id)
            elif one.folder == "marks":
                if one.name.endswith(ADOPTED):
                    adopted = await self._adopted(store, volume_id)
                    if adopted is not None:
                        await self.stores.delete(store, adopted.path, about=volume_id)
                        kept = kept_path(adopted.path)
                        await self.stores.delete_file(store, kept, about=volume_id)
                await self.stores.delete_file(store, path, about=volume_id)

    async def adopt(self, pool: PoolSpec, path: str, volume_id: UUID) -> DiskStatus:
        store = await self.stores.at(pool)
        if not path.startswith(f"[{store.name}] "):
            raise Refused(f"{path} is not on datastore {store.name}")
        async with self._tasks.turn(volume_id):
            if await self.stores.files.capacity(store, path) is None:
                raise Refused(f"there is no disk {path} on datastore {store.name}")
            if path == disk_path(store, volume_id):
                mark = mark_path(store, volume_id, DISOWNED)
                await self.stores.delete_file(store, mark, about=volume_id)
            else:
                mark = mark_path(store, volume_id, ADOPTED)
                await self.stores.files.put_text(store, mark, path)
            return await self.made(pool, volume_id)

    async def disown(self, pool: PoolSpec, volume_id: UUID) -> None:
        store = await self.stores.at(pool)
        async with self._tasks.turn(volume_id):
            found = await self.stores.search(store, f"{volume_id}*")
            if any(one.folder == "disks" for one in found):
                mark = mark_path(store, volume_id, DISOWNED)
                await self.stores.files.put_text(store, mark, "disowned")
            mark = mark_path(store, volume_id, ADOPTED)
            await self.stores.delete_file(store, mark, about=volume_id)

    async def forget_marks(self, store: Store, path: str) -> None:
        """A disk that was adopted where it lay, or was moved, has come to its own path."""
        folder, _, name = path.rpartition("/disks/")
        if folder and name.endswith(".vmdk"):
            volume = name.removesuffix(".vmdk")
            for mark in (ADOPTED, MOVED):
                file = f"{folder}/marks/{volume}.{mark}"
                await self.stores.delete_file(store, file, about=UUID(volume))

    async def part(self, store: Store, volume_id: UUID, key: UUID) -> str:
        """Where to make something, with nothing half made of it in the way."""
        found = await self.stores.search(store, f"{volume_id}.*", folder="incoming")
        await self.stores.clear(store, found, about=volume_id)
        return store.path("incoming", f"{volume_id}.{key}.vmdk")

    async def grown(self, store: Store, path: str, size_bytes: int, *, about: UUID) -> None:
        """No smaller than this."""
        now = await self.stores.files.capacity(store, path)
        if now is not None and now < size_bytes:
            await self.stores.extend(store, path, size_bytes, about=about)

    async def made(self, pool: PoolSpec, volume_id: UUID) -> DiskStatus:
        found = await self.find(pool, volume_id)
        if found is None:
            raise Unavailable(f"disk {volume_id} is not seen in pool {pool.url} after its making")
        return found

    async def _has_room(self, pool: PoolSpec, size_bytes: int) -> None:
        facts = await self.stores.facts(pool)
        if size_bytes > facts.capacity_bytes:
            raise Refused(
                f"{size_bytes} bytes are more than the {facts.capacity_bytes} of pool {pool.url}"
            )

    @asynccontextmanager
    async def scratch(self) -> AsyncIterator[str]:
        """A folder of the controller's for what is on its way."""
        state = self._vcenter.settings.state or None
        if state is not None:
            await asyncio.to_thread(os.makedirs, state, mode=0o700, exist_ok=True)
        folder = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="vsphere-", dir=state)
        try:
            yield folder.name
        finally:
            await asyncio.to_thread(folder.cleanup)


def disk_path(store: Store, volume_id: UUID) -> str:
    return store.path("disks", f"{volume_id}.vmdk")


def mark_path(store: Store, volume_id: UUID, mark: str) -> str:
    return store.path("marks", f"{volume_id}.{mark}")


def _in_pool(image_id: UUID, pool: PoolSpec) -> UUID:
    """What takes turns over an image: each pool has a copy of its own."""
    return UUID(int=image_id.int ^ pool.pool_id.int)


def _layout(disk: DiskSpec) -> str:
    if disk.provisioning not in LAYOUTS:
        raise Refused(f"disk {disk.volume_id}: {disk.provisioning!r} is not {', '.join(LAYOUTS)}")
    return LAYOUTS[disk.provisioning]


def _status(volume_id: UUID | None, path: str, size_bytes: int, used_bytes: int) -> DiskStatus:
    return DiskStatus(
        volume_id=volume_id,
        path=path,
        size_bytes=size_bytes,
        used_bytes=used_bytes,
        image_format="vmdk",
    )


def _padded(raw: str) -> int:
    """A raw image is made a whole number of KiB, and its size told."""
    size_bytes = whole_kib(os.stat(raw).st_size)
    assert size_bytes % SECTOR_BYTES == 0
    os.truncate(raw, size_bytes)
    return size_bytes


__all__ = ["ADOPTED", "DISOWNED", "Disks", "File", "disk_path", "mark_path", "whole_kib"]
