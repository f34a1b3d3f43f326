"""Disks on a datastore: each verb of vSphere's VirtualDiskManager and FileManager, awaited.

Below a pool's folder lie `disks/`, `images/`, `snapshots/`, `incoming/` and `marks/`. What is being
made is in `incoming/` under a name with the key, and is moved to its own name when it is whole: a
move within a datastore is a rename.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from drivers.contract.errors import DriverError, Refused, Unavailable
from drivers.contract.storage import PoolFacts, PoolSpec
from drivers.vsphere import errors
from drivers.vsphere.client import Vcenter
from drivers.vsphere.files import Files
from drivers.vsphere.inventory import Inventory, Store
from drivers.vsphere.sdk import vim
from drivers.vsphere.tasks import Tasks

SEARCHES = UUID(int=0)
FOLDERS = ("disks", "images", "snapshots", "incoming", "marks")
LOOK_AT_ONCE = 8
# How much of a disk is laid out at once, by the contract's words.
LAYOUTS = {"thin": "thin", "sparse": "preallocated", "fat": "eagerZeroedThick"}
PARTS = ("-flat.vmdk", "-delta.vmdk", "-sesparse.vmdk", "-ctk.vmdk")


@dataclass(frozen=True, slots=True)
class File:
    """A file below a pool's folder; `size_bytes` of a disk is what a guest sees."""

    folder: str
    name: str
    used_bytes: int
    size_bytes: int | None

    @property
    def id(self) -> UUID | None:
        try:
            return UUID(self.name.split(".")[0])
        except ValueError:
            return None


class Stores:
    """What is done to the files of datastores."""

    def __init__(self, vcenter: Vcenter, tasks: Tasks, inventory: Inventory, files: Files) -> None:
        self._vcenter, self._tasks = vcenter, tasks
        self._inventory, self.files = inventory, files
        self._made: set[str] = set()

    async def at(self, pool: PoolSpec) -> Store:
        """The pool's datastore, with its folders made."""
        store = await self._inventory.store(pool)
        if (root := store.path()) not in self._made:
            for name in FOLDERS:
                await self.make_folder(store, store.path(name))
            self._made.add(root)
        return store

    async def make_folder(self, store: Store, path: str) -> None:
        manager = self._vcenter.content.fileManager

        def make() -> None:
            with suppress(vim.fault.FileAlreadyExists):
                manager.MakeDirectory(path, store.datacenter.ref, True)

        await self._vcenter.change(make, doing=f"make folder {path}")

    async def facts(self, pool: PoolSpec) -> PoolFacts:
        store = await self._inventory.store(pool)
        found = await self._vcenter.properties(
            vim.Datastore,
            ("summary.capacity", "summary.freeSpace", "summary.accessible"),
            start=store.ref,
            doing=f"look at datastore {store.name}",
        )
        if not found or not found[0].get("summary.accessible", True):
            raise Unavailable(f"datastore {store.name} is not accessible now")
        capacity = int(found[0].get("summary.capacity", 0))
        free = min(capacity, max(0, int(found[0].get("summary.freeSpace", 0))))
        return PoolFacts(capacity_bytes=capacity, used_bytes=capacity - free)

    async def search(self, store: Store, *patterns: str, folder: str = "") -> list[File]:
        """Files below the pool's folder, or below one of its folders, by their names."""
        browser = vim.host.DatastoreBrowser
        details = browser.FileInfo.Details(
            fileType=True, fileSize=True, modification=False, fileOwner=False
        )
        disk = browser.VmDiskQuery(
            details=browser.VmDiskQuery.Details(
                capacityKb=True, diskType=False, hardwareVersion=False, controllerType=False
            )
        )
        spec = browser.SearchSpec(
            query=[disk, browser.IsoImageQuery(), browser.Query()],
            details=details,
            matchPattern=list(patterns) or ["*"],
            searchCaseInsensitive=False,
        )
        root = store.path(*([folder] if folder else []))
        try:
            found = await self._asked(store, root, spec)
        except Refused as error:
            if is_missing(error):
                return []
            raise
        return await self._sized(store, list(_files(found, store)))

    async def _asked(self, store: Store, root: str, spec: Any) -> Any:
        """The browser's task is a question like others: a lost line is tried once more."""
        for last in (False, True):
            try:
                return await self._tasks.run(
                    lambda: store.browser.SearchDatastoreSubFolders_Task(root, spec),
                    about=SEARCHES, doing=f"search {root}", changing=False,
                )  # fmt: skip
            except Unavailable as error:
                if last or not errors.is_lost(error.__cause__ or error):
                    raise
        raise AssertionError("the last try answers or raises")

    async def _sized(self, store: Store, files: list[File]) -> list[File]:
        """With the size of each disk: the browser says it, or else the disk's descriptor."""
        gate = asyncio.Semaphore(LOOK_AT_ONCE)

        async def sized(file: File) -> File:
            if file.size_bytes is not None or not file.name.endswith(".vmdk"):
                return file
            async with gate:
                path = store.path(file.folder, file.name)
                size = await self.files.capacity(store, path)
            return File(file.folder, file.name, file.used_bytes, size)

        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(sized(one), name="size") for one in files]
        return [one.result() for one in asked]

    async def create(
        self, store: Store, path: str, size_bytes: int, layout: str, *, about: UUID
    ) -> None:
        manager = self._vcenter.content.virtualDiskManager
        spec = vim.VirtualDiskManager.FileBackedVirtualDiskSpec(
            diskType=layout, adapterType="lsiLogic", capacityKb=size_bytes // 1024
        )
        await self._tasks.run(
            lambda: manager.CreateVirtualDisk_Task(path, store.datacenter.ref, spec),
            about=about, doing=f"create disk {path}", timeout_s=self._vcenter.settings.image_s,
        )  # fmt: skip

    async def copy(
        self, source: Store, path: str, target: Store, to: str, layout: str, *, about: UUID
    ) -> None:
        manager = self._vcenter.content.virtualDiskManager
        spec = vim.VirtualDiskManager.VirtualDiskSpec(diskType=layout, adapterType="lsiLogic")
        await self._tasks.run(
            lambda: manager.CopyVirtualDisk_Task(
                path, source.datacenter.ref, to, target.datacenter.ref, spec, False
            ),
            about=about, doing=f"copy disk {path} to {to}",
            timeout_s=self._vcenter.settings.image_s,
        )  # fmt: skip

    async def extend(self, store: Store, path: str, size_bytes: int, *, about: UUID) -> None:
        manager = self._vcenter.content.virtualDiskManager
        await self._tasks.run(
            lambda: manager.ExtendVirtualDisk_Task(
                path, store.datacenter.ref, size_bytes // 1024, False
            ),
            about=about, doing=f"grow disk {path}", timeout_s=self._vcenter.settings.image_s,
        )  # fmt: skip

    async def move(
        self, source: Store, path: str, target: Store, to: str, *, about: UUID, over: bool = False
    ) -> None:
        """Rename a disk. What has the name already stays, unless it is to be gone `over`."""
        manager = self._vcenter.content.virtualDiskManager
        await self._tasks.run(
            lambda: manager.MoveVirtualDisk_Task(
                path, source.datacenter.ref, to, target.datacenter.ref, over
            ),
            about=about, doing=f"move disk {path} to {to}",
            timeout_s=self._vcenter.settings.image_s,
        )  # fmt: skip

    async def delete(self, store: Store, path: str, *, about: UUID) -> None:
        """Remove a disk with its extents; gone already is well."""
        manager = self._vcenter.content.virtualDiskManager
        try:
            await self._tasks.run(
                lambda: manager.DeleteVirtualDisk_Task(path, store.datacenter.ref),
                about=about, doing=f"delete disk {path}",
            )  # fmt: skip
        except Refused as error:
            if not is_missing(error):
                raise
            stem = path.removesuffix(".vmdk")
            for part in (f"{stem}-flat.vmdk", path):  # half of one was left by a crash
                await self.delete_file(store, part, about=about)

    async def delete_file(self, store: Store, path: str, *, about: UUID) -> None:
        """Remove a file that is no disk; gone already is well."""
        manager = self._vcenter.content.fileManager
        try:
            await self._tasks.run(
                lambda: manager.DeleteDatastoreFile_Task(path, store.datacenter.ref),
                about=about, doing=f"delete {path}",
            )  # fmt: skip
        except Refused as error:
            if not is_missing(error):
                raise

    async def move_file(self, store: Store, path: str, to: str, *, about: UUID) -> None:
        manager = self._vcenter.content.fileManager
        await self._tasks.run(
            lambda: manager.MoveDatastoreFile_Task(
                path, store.datacenter.ref, to, store.datacenter.ref, False
            ),
            about=about, doing=f"move {path} to {to}",
        )  # fmt: skip

    async def copy_file(
        self, source: Store, path: str, target: Store, to: str, *, about: UUID
    ) -> None:
        """A file that is no disk, over what has the name already."""
        manager = self._vcenter.content.fileManager
        await self._tasks.run(
            lambda: manager.CopyDatastoreFile_Task(
                path, source.datacenter.ref, to, target.datacenter.ref, True
            ),
            about=about, doing=f"copy {path} to {to}",
        )  # fmt: skip

    async def finish(self, store: Store, part: str, final: str, *, about: UUID) -> None:
        """Give what is whole its name; if another had it first, ours is not needed."""
        try:
            await self.move(store, part, store, final, about=about)
        except Refused as error:
            if not is_there(error):
                raise
            await self.delete(store, part, about=about)

    async def clear(self, store: Store, parts: Iterable[File], *, about: UUID) -> None:
        """Remove what is half made."""
        for one in parts:
            if one.folder != "incoming":
                continue
            path = store.path("incoming", one.name)
            if one.name.endswith(".vmdk"):
                await self.delete(store, path, about=about)
            else:
                await self.delete_file(store, path, about=about)


def is_missing(error: DriverError) -> bool:
    """A file was not there."""
    return isinstance(error.__cause__, vim.fault.FileNotFound)


def is_there(error: DriverError) -> bool:
    """A file has the name already."""
    return isinstance(error.__cause__, vim.fault.FileAlreadyExists)


def _files(found: object, store: Store) -> Iterable[File]:
    root = store.path()
    for part in found or ():  # type: ignore[attr-defined]
        folder = str(part.folderPath).removesuffix("/").removeprefix(root).strip("/")
        for file in part.file or ():
            name = str(file.path)
            if name.endswith(PARTS) or name in FOLDERS:
                continue
            kb = getattr(file, "capacityKb", None)
            yield File(folder, name, int(file.fileSize or 0), kb * 1024 if kb else None)
