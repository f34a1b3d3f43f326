"""Disks as VHDX files: differencing disks over a template's image, or disks that stand alone.

A disk is made under `incoming` and then moved to its name, which fails if somebody was faster; so
nothing half made is ever seen, and who comes second takes what is there.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ntpath import basename, dirname
from typing import Any
from uuid import UUID

from drivers.contract.errors import Refused, Unavailable
from drivers.contract.storage import DiskSpec, DiskStatus, ImageSource, PoolFacts, PoolSpec
from drivers.hyperv import errors, places
from drivers.hyperv.client import Client
from drivers.hyperv.files import SPACE, Files, listing, move, note
from drivers.hyperv.places import MOVING, NEEDED, NOBODYS, OURS, Place, place_of, same
from drivers.hyperv.words import ask, cmd, do, script, tell
from drivers.kit import images

VHD = ("Path", "Size", "FileSize", "ParentPath")
VHDX = "vhdx"
DISC = "iso"
FORMATS = (VHDX, "vhd", "qcow2", "raw", "vmdk")
BLOCKS = ("-o", "subformat=dynamic,block_size=1M")
MIB = 1 << 20
LARGEST_BYTES = 64 << 40
DISC_MARK_AT, DISC_MARK = 32769, b"CD001"


@dataclass(frozen=True, slots=True)
class Shelf:
    """What a pool holds: files by path, and what the notes say of them."""

    files: dict[str, int]
    ours: dict[UUID, str]
    nobodys: frozenset[str]
    moving: frozenset[UUID]
    needed: dict[UUID, frozenset[UUID]]

    def disk_id(self, place: Place, path: str) -> UUID | None:
        for volume_id, name in self.ours.items():
            if same(place.inside(name), path):
                return volume_id
        if basename(path).lower() in self.nobodys or "\\disks\\" not in path.lower():
            return None
        return places.id_in(path)


class Disks:
    def __init__(self, client: Client, files: Files, *, image_s: float) -> None:
        self._client, self._files, self._image_s = client, files, image_s
        self._turns: dict[tuple[str, UUID], asyncio.Lock] = {}

    async def open_pool(self, pool: PoolSpec) -> PoolFacts:
        place = place_of(pool)
        made = [
            do(cmd("New-Item", "Force", Path=place.inside(name), ItemType="Directory"))
            for name in places.FOLDERS
        ]
        doing = f"open pool {pool.url}"
        if place.is_share:
            told = await self._client.ask(script(SPACE, Path=place.root), doing=doing)
            if len(told[0]) < 2:
                raise Unavailable(f"{doing}: the share does not say how large it is")
        await self._client.order(*made, about=pool.pool_id, doing=doing)
        return await self.facts(pool)

    async def facts(self, pool: PoolSpec) -> PoolFacts:
        place, doing = place_of(pool), f"look at pool {pool.url}"
        if place.is_share:
            told = await self._client.ask(script(SPACE, Path=place.root), doing=doing)
            capacity, free = (int(number) for number in told[0])
            return PoolFacts(capacity_bytes=capacity, used_bytes=capacity - free)
        volumes = cmd("Get-CimInstance", ClassName="Win32_Volume")
        told = await self._client.ask(
            ask(volumes, properties=("Name", "Capacity", "FreeSpace")), doing=doing
        )
        inside = [
            one
            for one in told[0]
            if one["Capacity"] and f"{place.folder}\\".lower().startswith(one["Name"].lower())
        ]
        if not inside:
            raise Refused(f"{doing}: the host has no drive {place.root}")
        best = max(inside, key=lambda one: len(one["Name"]))
        capacity = int(best["Capacity"])
        return PoolFacts(capacity_bytes=capacity, used_bytes=capacity - int(best["FreeSpace"]))

    async def shelf(self, pool: PoolSpec) -> Shelf:
        """All files and notes in one question."""
        place = place_of(pool)
        told = await self._client.ask(
            listing(place.inside("disks"), "*.vhdx"),
            listing(place.folder, "*.vhdx"),
            listing(place.inside("notes")),
            doing=f"list disks of pool {pool.url}",
        )
        ours: dict[UUID, str] = {}
        needed: dict[UUID, set[UUID]] = {}
        nobodys, moving = set(), set()
        for one in told[2]:
            kind, *words = one["Name"].split("=", 2)
            if kind == OURS:
                ours[UUID(words[0])] = words[1]
            elif kind == NOBODYS:
                nobodys.add(words[0].lower())
            elif kind == MOVING:
                moving.add(UUID(words[0]))
            elif kind == NEEDED:
                needed.setdefault(UUID(words[0]), set()).add(UUID(words[1]))
        files = {one["FullName"]: int(one["Length"]) for one in (*told[0], *told[1])}
        still = {image: frozenset(disks) for image, disks in needed.items()}
        return Shelf(files, ours, frozenset(nobodys), frozenset(moving), still)

    async def listed(self, pool: PoolSpec) -> list[DiskStatus]:
        place, shelf = place_of(pool), await self.shelf(pool)
        named = {path: shelf.disk_id(place, path) for path in shelf.files}
        wanted = [path for path, one in named.items() if one is None or one not in shelf.moving]
        facts = await self.look(*wanted)
        found = []
        for path in wanted:
            told = facts.get(path.lower())
            found.append(
                DiskStatus(
                    volume_id=named[path],
                    path=path,
                    size_bytes=int(told["Size"]) if told else shelf.files[path],
                    used_bytes=shelf.files[path],
                    image_format=VHDX,
                )
            )
        return found

    async def find(self, pool: PoolSpec, volume_id: UUID) -> DiskStatus | None:
        place, shelf = place_of(pool), await self.shelf(pool)
        for path in shelf.files:
            if shelf.disk_id(place, path) == volume_id and volume_id not in shelf.moving:
                return await self.status(path, volume_id)
        return None

    async def status(self, path: str, volume_id: UUID | None) -> DiskStatus:
        told = await self._client.ask(
            ask(cmd("Get-VHD", Path=[path]), properties=VHD), doing=f"look at {path}"
        )
        return DiskStatus(
            volume_id=volume_id,
            path=path,
            size_bytes=int(told[0][0]["Size"]),
            used_bytes=int(told[0][0]["FileSize"]),
            image_format=VHDX,
        )

    async def look(self, *paths: str) -> dict[str, dict[str, Any]]:
        """What each of many files is, by its path in lower case; unreadable ones are left out."""
        if not paths:
            return {}
        found = cmd("Get-VHD", Path=list(paths), quiet=True)
        told = await self._client.ask(ask(found, properties=VHD), doing="look at disks")
        return {one["Path"].lower(): one for one in told[0]}

    async def create(self, pool: PoolSpec, disk: DiskSpec) -> DiskStatus:
        if (there := await self.find(pool, disk.volume_id)) is not None:
            return there
        place, doing = place_of(pool), f"create disk {disk.volume_id}"
        size = await self._sized(pool, disk, doing)
        new = place.incoming(disk.volume_id)
        if disk.image is None:
            kind = "Fixed" if disk.provisioning == "fat" else "Dynamic"
            made = [do(cmd("New-VHD", kind, Path=new, SizeBytes=size))]
        elif disk.provisioning == "thin":
            base = await self.keep_image(pool, disk.image)
            larger: dict[str, Any] = {"SizeBytes": size} if size > disk.image.virtual_bytes else {}
            over = cmd("New-VHD", "Differencing", Path=new, ParentPath=base, **larger)
            made = [do(over)]
        else:
            base = await self.keep_image(pool, disk.image)
            kind = "Fixed" if disk.provisioning == "fat" else "Dynamic"
            made = [
                do(cmd("Convert-VHD", Path=base, DestinationPath=new, VHDType=kind)),
                do(cmd("Resize-VHD", Path=new, SizeBytes=size)),
            ]
        return await self.name(pool, disk.volume_id, new, *made, doing=doing)

    async def name(
        self, pool: PoolSpec, volume_id: UUID, new: str, *made: Any, doing: str
    ) -> DiskStatus:
        """Make `new` by these steps and move it to the disk's name; answers with what is there."""
        place = place_of(pool)
        final = place.disk(volume_id)
        try:
            await self._client.raw(
                *made, move(new, final), about=volume_id, doing=doing, timeout_s=self._image_s
            )
        except errors.CommandFailed as failed:
            await self._files.gone(new, about=volume_id, doing=doing)
            if not await self.is_there(final):  # nobody else was faster
                raise errors.of_command(failed, doing=doing) from failed
        return await self.status(final, volume_id)

    async def grow(self, pool: PoolSpec, volume_id: UUID, size_bytes: int) -> DiskStatus:
        there, doing = await self.find(pool, volume_id), f"resize disk {volume_id}"
        if there is None:
            raise Refused(f"{doing}: it is not in pool {pool.url}")
        if size_bytes < there.size_bytes:
            raise Refused(f"{doing}: it has {there.size_bytes} bytes, and a disk never shrinks")
        if size_bytes > there.size_bytes:
            larger = cmd("Resize-VHD", Path=there.path, SizeBytes=_whole(size_bytes))
            await self._client.order(
                do(larger), about=volume_id, doing=doing, timeout_s=self._image_s
            )
        return await self.status(there.path, volume_id)

    async def remove(self, pool: PoolSpec, volume_id: UUID) -> None:
        """A file that a guest has open does not go: that is Windows' own promise."""
        place, shelf, doing = place_of(pool), await self.shelf(pool), f"remove disk {volume_id}"
        for path in shelf.files:
            if shelf.disk_id(place, path) == volume_id:
                base = (await self.look(path)).get(path.lower(), {}).get("ParentPath") or ""
                await self._remove_file(path, volume_id, doing)
                await self.no_longer_needed(place, base, volume_id)
        await self._forget_kept(place, volume_id, doing)
        for kind in (OURS, MOVING):
            named = shelf.ours.get(volume_id)
            words = (volume_id, named) if kind == OURS else (volume_id,)
            if (kind == MOVING and volume_id in shelf.moving) or (kind == OURS and named):
                await self._files.gone(place.note(kind, *words), about=volume_id, doing=doing)

    async def _remove_file(self, path: str, about: UUID, doing: str) -> None:
        try:
            await self._files.gone(path, about=about, doing=doing)
        except Unavailable as held:
            cause = held.__cause__
            if isinstance(cause, errors.CommandFailed) and cause.hresult == errors.IN_USE:
                raise Refused(f"{doing}: a guest uses it ({held})") from held
            raise

    async def _forget_kept(self, place: Place, volume_id: UUID, doing: str) -> None:
        """What whole guests keep of a disk goes with it; what keeps no disk any more goes too."""
        vhdx = listing(place.inside("kept"), "*.vhdx", deep=True)
        files = [one["FullName"] for one in (await self._client.ask(vhdx, doing=doing))[0]]
        mine = [path for path in files if basename(path).lower() == f"{volume_id}.vhdx"]
        for path in mine:
            await self._files.gone(path, about=volume_id, doing=doing)
            folder = dirname(path)
            if not any(same(dirname(one), folder) for one in files if one not in mine):
                await self._files.swept(folder, about=volume_id, doing=doing)

    async def no_longer_needed(self, place: Place, base: str, volume_id: UUID) -> None:
        """A disk that rested on an image of another pool has let it go."""
        image_id = places.id_in(base) if base else None
        if image_id is not None and not same(places.folder_above(base), place.folder):
            other = places.place_around(base)
            path = other.note(NEEDED, image_id, volume_id)
            await self._files.gone(path, about=volume_id, doing="let an image go")

    async def adopt(self, pool: PoolSpec, path: str, volume_id: UUID) -> DiskStatus:
        if (there := await self.find(pool, volume_id)) is not None:
            return there
        place, shelf, doing = place_of(pool), await self.shelf(pool), f"adopt disk {path}"
        name = next((one for one in shelf.files if same(one, places.settled(path))), "")
        if not name or shelf.disk_id(place, name) is not None:
            raise Refused(f"{doing}: there is no such file of a stranger's in pool {pool.url}")
        if places.id_in(name) == volume_id and "\\disks\\" in name.lower():
            await self._files.gone(
                place.note(NOBODYS, basename(name)), about=volume_id, doing=doing
            )
        else:
            inside = name[len(place.folder) + 1 :]
            if "\\" in inside:
                raise Refused(f"{doing}: it was called {volume_id} by another before")
            await self._client.order(
                note(place.note(OURS, volume_id, inside)), about=volume_id, doing=doing
            )
        return await self.status(name, volume_id)

    async def disown(self, pool: PoolSpec, volume_id: UUID) -> None:
        place, shelf, doing = place_of(pool), await self.shelf(pool), f"let disk {volume_id} go"
        if (named := shelf.ours.get(volume_id)) is not None:
            path = place.note(OURS, volume_id, named)
            await self._files.gone(path, about=volume_id, doing=doing)
            return
        for path in shelf.files:
            if shelf.disk_id(place, path) == volume_id:
                await self._client.order(
                    note(place.note(NOBODYS, basename(path))), about=volume_id, doing=doing
                )

    async def keep_image(self, pool: PoolSpec, image: ImageSource) -> str:
        """Bring an image, once; what is no image is found out before it is carried."""
        place = place_of(pool)
        final, doing = place.image(image.image_id, image.image_format), "bring an image"
        turn = self._turns.setdefault((place.folder.lower(), image.image_id), asyncio.Lock())
        async with turn:
            if await self.is_there(final):
                return final
            new = place.incoming(image.image_id, final.rsplit(".", 1)[-1])
            try:
                async with as_sent(image) as local:
                    await self._files.send(local, new, about=image.image_id)
                await self._client.raw(move(new, final), about=image.image_id, doing=doing)
            except errors.CommandFailed as failed:
                await self._files.gone(new, about=image.image_id, doing=doing)
                if not await self.is_there(final):
                    raise errors.of_command(failed, doing=doing) from failed
        return final

    async def list_images(self, pool: PoolSpec) -> list[UUID]:
        told = await self._client.ask(
            listing(place_of(pool).inside("images")), doing=f"list images of pool {pool.url}"
        )
        return [one for one in (places.id_in(file["Name"]) for file in told[0]) if one]

    async def drop_image(self, pool: PoolSpec, image_id: UUID) -> bool:
        """It stays while a disk rests on it, here or in another pool, or a drive has it."""
        place, doing = place_of(pool), f"drop image {image_id}"
        turn = self._turns.setdefault((place.folder.lower(), image_id), asyncio.Lock())
        async with turn:
            shelf = await self.shelf(pool)
            if shelf.needed.get(image_id):
                return False
            coming = await self._client.ask(
                listing(place.inside("incoming"), "*.vhdx"), doing=doing
            )
            paths = [*shelf.files, *(one["FullName"] for one in coming[0])]
            base = place.image(image_id, VHDX)
            for one in (await self.look(*paths)).values():
                if same(one["ParentPath"] or "", base):
                    return False
            disc = place.image(image_id, DISC)
            if await self._in_a_drive(disc):
                return False
            for path in (base, disc):
                try:
                    await self._remove_file(path, image_id, doing)
                except Refused:
                    return False
        return True

    async def _in_a_drive(self, disc: str) -> bool:
        drives = (cmd("Get-VM"), cmd("Get-VMDvdDrive"))
        told = await self._client.ask(ask(*drives, properties=("Path",)), doing="look at drives")
        return any(same(one["Path"] or "", disc) for one in told[0])

    async def is_there(self, path: str) -> bool:
        found = cmd("Test-Path", LiteralPath=path, PathType="Leaf")
        told = await self._client.ask(tell(found), doing=f"look for {path}")
        return bool(told[0] and told[0][0])

    async def _sized(self, pool: PoolSpec, disk: DiskSpec, doing: str) -> int:
        size = max(disk.size_bytes, disk.image.virtual_bytes if disk.image else 0)
        facts = await self.facts(pool)
        if size > min(LARGEST_BYTES, facts.capacity_bytes):
            raise Refused(
                f"{doing}: {size} bytes are more than pool {pool.url} has "
                f"({facts.capacity_bytes}) or a VHDX can hold ({LARGEST_BYTES})"
            )
        return _whole(size)


def _whole(size_bytes: int) -> int:
    """A VHDX is a whole number of sectors, and no smaller than 3 MiB."""
    return max(-(-size_bytes // 4096) * 4096, 3 * MIB)


@asynccontextmanager
async def as_sent(image: ImageSource) -> AsyncIterator[str]:
    """The file to carry: a VHDX as it is, a disc as it is, anything else as a VHDX."""
    if image.image_format == DISC:
        await asyncio.to_thread(_require_disc, image.path)
        yield image.path
        return
    if image.image_format not in FORMATS:
        raise Refused(f"{image.path}: a {image.image_format} is no image that Hyper-V hosts take")
    found = await images.look(image.path, image.image_format)
    if found.backing:
        raise Refused(f"{image.path} needs another file ({found.backing}): flatten it first")
    if image.image_format == VHDX:
        yield image.path
        return
    folder = await asyncio.to_thread(tempfile.mkdtemp, prefix="sagastack-hyperv-")
    local = os.path.join(folder, "image.vhdx")
    try:
        await images.convert(image.path, image.image_format, local, VHDX, options=BLOCKS)
        yield local
    finally:
        await asyncio.to_thread(_clear, folder, local)


def _clear(folder: str, local: str) -> None:
    if os.path.exists(local):
        os.unlink(local)
    os.rmdir(folder)


def _require_disc(path: str) -> None:
    with open(path, "rb") as file:
        file.seek(DISC_MARK_AT)
        if file.read(len(DISC_MARK)) != DISC_MARK:
            raise Refused(f"{path} is no ISO 9660 image")
