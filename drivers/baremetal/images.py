"""Images as machines are given them: raw, on the controller, each with its checksum.

They lie in the state folder, by pool and image. One that qemu-img cannot read is refused before a
machine is touched.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import msgspec

from drivers.contract.errors import Refused
from drivers.contract.storage import ImageSource
from drivers.kit import images as kit
from drivers.kit import installer

CHUNK_BYTES = 4 * 1024**2
FORMATS = ("raw", "qcow2", "vmdk", "vhd", "vhdx", "tar")
INSTALLER = "tar"


class Kept(msgspec.Struct, frozen=True):
    """An image that is ready to be written; or the folder of an installer, of no size."""

    path: str
    size_bytes: int
    sha256: str
    is_installer: bool = False


class Images:
    """The folder of images."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turns: dict[Path, asyncio.Lock] = {}

    async def keep(self, pool_id: UUID, image: ImageSource) -> Kept:
        """Bring it here as raw bytes, with its checksum; what is here already stays."""
        at = self._folder / str(pool_id) / f"{image.image_id}.raw"
        async with self._turns.setdefault(at, asyncio.Lock()):
            if (kept := await asyncio.to_thread(_read, at)) is not None:
                return kept
            if image.image_format not in FORMATS:
                raise Refused(
                    f"a machine's disk is made of {', '.join(FORMATS)}; {image.path} is "
                    f"{image.image_format}"
                )
            await asyncio.to_thread(at.parent.mkdir, parents=True, exist_ok=True)
            if image.image_format == INSTALLER:
                return await asyncio.to_thread(_keep_installer, Path(image.path), at)
            found = await kit.look(image.path, image.image_format)
            if found.backing:
                raise Refused(
                    f"{image.path} needs another file, {found.backing}: it is no whole image"
                )
            await kit.convert(image.path, image.image_format, str(at), "raw")
            summed = await asyncio.to_thread(_digest, at)
            made = Kept(str(at), at.stat().st_size, summed)
            await asyncio.to_thread(_write, at, made)
            return made

    def all(self, pool_id: UUID) -> list[UUID]:
        found = (self._folder / str(pool_id)).glob("*.json")
        return sorted(UUID(path.stem) for path in found)

    def drop(self, pool_id: UUID, image_id: UUID) -> None:
        at = self._folder / str(pool_id) / f"{image_id}.raw"
        for path in (at.with_suffix(".json"), at):
            with suppress(FileNotFoundError):
                path.unlink()
        shutil.rmtree(_folder(at), ignore_errors=True)
        with suppress(OSError):
            at.parent.rmdir()


def _read(at: Path) -> Kept | None:
    try:
        kept = msgspec.json.decode(at.with_suffix(".json").read_bytes(), type=Kept)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    if kept.is_installer:
        return kept if Path(kept.path).is_dir() else None
    return kept if at.exists() and at.stat().st_size == kept.size_bytes else None


def _folder(at: Path) -> Path:
    return at.with_suffix(".installer")


def _keep_installer(archive: Path, at: Path) -> Kept:
    """Its parts in a folder, which has its name once it is whole."""
    folder = _folder(at)
    partial = folder.with_suffix(".partial")
    for one in (partial, folder):
        shutil.rmtree(one, ignore_errors=True)
    partial.mkdir()
    installer.look(archive)
    installer.unpack(archive, partial)
    partial.rename(folder)
    made = Kept(str(folder), 0, "", is_installer=True)
    _write(at, made)
    return made


def _write(at: Path, kept: Kept) -> None:
    partial = at.with_suffix(".json.partial")
    partial.write_bytes(msgspec.json.encode(kept))
    os.replace(partial, at.with_suffix(".json"))


def _digest(path: Path) -> str:
    summed = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            summed.update(chunk)
    return summed.hexdigest()
