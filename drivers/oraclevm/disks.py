"""Disks and images of a repository: raw files under our ids, made whole or not at all.

A clone is a copy, so it needs its image no more; that image stays all the same while a clone of it
is there, since the next clone will want it. What was adopted keeps its name, and a record of ours
says whose it is.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from uuid import UUID

from drivers.contract.errors import Refused
from drivers.contract.storage import DiskSpec, DiskStatus, ImageSource, PoolFacts, PoolSpec
from drivers.kit import images
from drivers.oraclevm import files
from drivers.oraclevm.dialect import Dialect
from drivers.oraclevm.repo import OURS, Repo, export_of, locate, split

RAW = "raw"
RESTS, ADOPTED, DISOWNED = f"{OURS}/rests", f"{OURS}/adopted", f"{OURS}/disowned"


class Disks:
    """The disks that one host reaches."""

    def __init__(self, dialect: Dialect, mounts: Mapping[str, str]) -> None:
        self._dialect, self._mounts = dialect, mounts
        self._ready: set[str] = set()

    async def open(self, pool: PoolSpec) -> PoolFacts:
        repo = await self.repo(pool)
        await self._dialect.mount(repo)
        return await files.facts(repo)

    async def repo(self, pool: PoolSpec) -> Repo:
        """The pool's repository, with our folders in it."""
        repo = self.at(export_of(pool))
        if repo.export not in self._ready:
            await files.prepare(repo)
            self._ready.add(repo.export)
        return repo

    def at(self, export: str) -> Repo:
        return Repo(export, locate(export, self._mounts))

    async def create(self, pool: PoolSpec, disk: DiskSpec) -> DiskStatus:
        repo = await self.repo(pool)
        if (there := await self.find(pool, disk.volume_id)) is not None:
            return there
        await self._require_room(repo, disk.size_bytes)
        source = "" if disk.image is None else await self.keep(pool, disk.image)
        final = self._dialect.layout.disk(repo.id, disk.volume_id)
        if disk.image is not None and disk.provisioning == "thin":
            await files.write(repo, f"{RESTS}/{disk.image.image_id}.{disk.volume_id}", b"")
        async with files.incoming(repo, disk.volume_id, final) as made:
            if source:
                await self.copy(repo, split(source)[1], repo, made)
            fully = disk.provisioning == "fat"
            await files.lay_out(repo, made, disk.size_bytes, fully=fully)
        return await self.must_find(pool, disk.volume_id)

    async def bring(self, pool: PoolSpec, disk: DiskSpec) -> DiskStatus:
        """A disk of its own, from an image of the controller's."""
        repo = await self.repo(pool)
        if (there := await self.find(pool, disk.volume_id)) is not None:
            return there
        if disk.image is None:
            raise Refused(f"disk {disk.volume_id} is brought from an image, and none is named")
        await self._require_room(repo, disk.size_bytes)
        final = self._dialect.layout.disk(repo.id, disk.volume_id)
        async with files.incoming(repo, disk.volume_id, final) as made:
            await images.convert(
                disk.image.path, disk.image.image_format, str(repo.file(made)), RAW, options=()
            )
            await files.lay_out(repo, made, disk.size_bytes)
        return await self.must_find(pool, disk.volume_id)

    async def copy(self, source: Repo, within: str, target: Repo, made: str) -> None:
        """Copy a file by the host where its agent can, and by the controller where not."""
        if self._dialect.copies_on_host:
            await self._dialect.copy(source.path(within), target.path(made))
        else:
            paths = str(source.file(within)), str(target.file(made))
            await images.convert(paths[0], RAW, paths[1], RAW, options=())

    async def keep(self, pool: PoolSpec, image: ImageSource) -> str:
        repo = await self.repo(pool)
        final = repo.image(image.image_id, image.image_format)
        if await files.size(repo, final) is not None:
            return repo.path(final)
        async with files.incoming(repo, image.image_id, final) as made:
            target = str(repo.file(made))
            if image.image_format == "iso":
                await asyncio.to_thread(_copy_file, image.path, target)
            else:
                await images.convert(image.path, image.image_format, target, RAW, options=())
        return repo.path(final)

    async def images(self, pool: PoolSpec) -> list[UUID]:
        repo = await self.repo(pool)
        kept = await files.names(repo, f"{OURS}/images", ".img")
        discs = await files.names(repo, "ISOs", ".iso")
        found = (_uuid(name.rpartition(".")[0]) for name in (*kept, *discs))
        return [one for one in found if one is not None]

    async def drop(self, pool: PoolSpec, image_id: UUID) -> bool:
        repo = await self.repo(pool)
        for name in await files.names(repo, RESTS):
            image, _, volume = name.partition(".")
            if image == str(image_id):
                if await self.find(pool, UUID(volume)) is not None:
                    return False
                await files.remove(repo, f"{RESTS}/{name}")
        disc = repo.image(image_id, "iso")
        if await files.size(repo, disc) and await self._dialect.using(repo.path(disc)):
            return False
        await files.drop_incoming(repo, image_id)
        for within in (disc, repo.image(image_id, RAW)):
            await files.remove(repo, within)
        return True

    async def resize(self, pool: PoolSpec, volume_id: UUID, size_bytes: int) -> DiskStatus:
        repo, disk = await self.repo(pool), await self.must_find(pool, volume_id)
        if size_bytes < disk.size_bytes:
            raise Refused(
                f"disk {volume_id} has {disk.size_bytes} bytes and does not shrink to {size_bytes}"
            )
        await self._require_room(repo, size_bytes)
        await files.lay_out(repo, split(disk.path)[1], size_bytes)
        return await self.must_find(pool, volume_id)

    async def remove(self, pool: PoolSpec, volume_id: UUID) -> None:
        repo = await self.repo(pool)
        await files.drop_incoming(repo, volume_id)
        within = await self.place(repo, volume_id)
        if within is not None:
            await self.require_unused(repo.path(within))
            own_folder = self._dialect.layout.own_folders
            await files.remove(repo, within, folder=own_folder)
        await files.remove(repo, f"{ADOPTED}/{volume_id}")
        for name in await files.names(repo, RESTS, f".{volume_id}"):
            await files.remove(repo, f"{RESTS}/{name}")

    async def require_unused(self, path: str) -> None:
        if users := await self._dialect.using(path):
            names = ", ".join(one.name for one in users)
            raise Refused(f"{path} is in use by {names}: stop it first")

    async def place(self, repo: Repo, volume_id: UUID) -> str | None:
        """Where a disk of ours lies, if it is one."""
        adopted = await files.read(repo, f"{ADOPTED}/{volume_id}")
        if adopted is not None:
            return adopted.decode()
        if await files.size(repo, f"{DISOWNED}/{volume_id}") is not None:
            return None
        return self._dialect.layout.disk(repo.id, volume_id)

    async def find(self, pool: PoolSpec, volume_id: UUID) -> DiskStatus | None:
        repo = await self.repo(pool)
        within = await self.place(repo, volume_id)
        return None if within is None else await _status(repo, within, volume_id)

    async def must_find(self, pool: PoolSpec, volume_id: UUID) -> DiskStatus:
        found = await self.find(pool, volume_id)
        if found is None:
            raise Refused(f"there is no disk {volume_id} in pool {pool.url}")
        return found

    async def list_all(self, pool: PoolSpec) -> list[DiskStatus]:
        repo, layout = await self.repo(pool), self._dialect.layout
        adopted = {}
        for name in await files.names(repo, ADOPTED):
            within = (await files.read(repo, f"{ADOPTED}/{name}") or b"").decode()
            adopted[within] = UUID(name)
        disowned = set(await files.names(repo, DISOWNED))
        found = []
        for within in await asyncio.to_thread(_disk_files, repo, layout.disks, layout.own_folders):
            named = layout.volume(within)
            if named is not None and layout.disk(repo.id, named) != within:
                named = None
            owner = adopted.get(within, None if str(named) in disowned else named)
            if (status := await _status(repo, within, owner)) is not None:
                found.append(status)
        return found

    async def adopt(self, pool: PoolSpec, path: str, volume_id: UUID) -> DiskStatus:
        repo = await self.repo(pool)
        listed = {one.path: one for one in await self.list_all(pool)}
        there = listed.get(path)
        if there is None:
            raise Refused(f"{path} is no disk in pool {pool.url}")
        if there.volume_id not in (None, volume_id):
            raise Refused(f"{path} is disk {there.volume_id} already")
        within = split(path)[1]
        if within == self._dialect.layout.disk(repo.id, volume_id):
            await files.remove(repo, f"{DISOWNED}/{volume_id}")
        else:
            await files.write(repo, f"{ADOPTED}/{volume_id}", within.encode())
        return await self.must_find(pool, volume_id)

    async def disown(self, pool: PoolSpec, volume_id: UUID) -> None:
        repo = await self.repo(pool)
        if await self.find(pool, volume_id) is None:
            return
        if await files.read(repo, f"{ADOPTED}/{volume_id}") is not None:
            await files.remove(repo, f"{ADOPTED}/{volume_id}")
        else:
            await files.write(repo, f"{DISOWNED}/{volume_id}", b"")

    async def _require_room(self, repo: Repo, size_bytes: int) -> None:
        there = await files.facts(repo)
        if size_bytes > there.capacity_bytes:
            raise Refused(
                f"{size_bytes} bytes are more than repository {repo.export} has in all "
                f"({there.capacity_bytes})"
            )


async def _status(repo: Repo, within: str, volume_id: UUID | None) -> DiskStatus | None:
    found = await files.size(repo, within)
    if found is None:
        return None
    return DiskStatus(
        volume_id=volume_id,
        path=repo.path(within),
        size_bytes=found[0],
        used_bytes=found[1],
        image_format=RAW,
    )


def _disk_files(repo: Repo, folder: str, own_folders: bool) -> list[str]:
    """Links are names of guests, and what they lead to is listed where it lies."""
    root = repo.file(folder)
    if not root.is_dir():
        return []
    folders = [root]
    if own_folders:
        folders = [one for one in root.iterdir() if one.is_dir() and not one.is_symlink()]
    suffixes = (".raw", ".img")
    found = [one for at in folders for one in at.iterdir() if one.suffix in suffixes]
    return sorted(str(one.relative_to(repo.local)) for one in found if one.is_file())


def _copy_file(source: str, target: str) -> None:
    try:
        shutil.copyfile(source, target)
    except FileNotFoundError as error:
        raise Refused(f"there is no image {source} here: {error}") from error


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
