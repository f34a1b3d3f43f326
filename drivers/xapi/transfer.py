"""Images in and out of VDIs, through XAPI's HTTP doors, each with a task that says how it ended.

XAPI answers an upload before it has read it, so only the task tells whether it arrived whole. What
goes over the line is VHD, which leaves out what is empty; a disc goes as it is.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from drivers.contract.errors import DriverError, Refused, Unavailable, Unknown
from drivers.contract.storage import ImageSource
from drivers.kit import images
from drivers.xapi.client import Line
from drivers.xapi.vdis import whole_grains

CHUNK_BYTES = 1 << 20
COPY_S = 4 * 3600.0
# What goes as it is; others that are taken are converted here.
AS_IT_IS = ("vhd", "raw")
FORMATS = (*AS_IT_IS, "qcow2", "vmdk", "vhdx")


@dataclass(frozen=True, slots=True)
class Parcel:
    """A file that XAPI takes, in its words, and how large a VDI must be for it."""

    path: str
    image_format: str
    virtual_bytes: int


@asynccontextmanager
async def packed(image: ImageSource, scratch: str) -> AsyncIterator[Parcel]:
    """The image as XAPI takes it. Refused: it is not what it claims to be."""
    if image.image_format == "iso":
        size = (await asyncio.to_thread(os.stat, image.path)).st_size
        yield Parcel(image.path, "raw", size)
        return
    if image.image_format not in FORMATS:
        raise Refused(
            f"image {image.image_id}: {image.image_format!r} is none of {', '.join(FORMATS)}"
        )
    try:
        found = await images.look(image.path, image.image_format)
    except Refused as error:
        raise Refused(f"image {image.image_id} is no {image.image_format}: {error}") from error
    if found.backing:
        raise Refused(f"image {image.image_id} needs another file, {found.backing}: flatten it")
    if image.image_format in AS_IT_IS:
        yield Parcel(image.path, image.image_format, found.virtual_bytes)
        return
    with tempfile.TemporaryDirectory(dir=scratch or None, prefix="xapi-") as folder:
        target = str(Path(folder) / "image.vhd")
        made = await images.convert(image.path, image.image_format, target, "vhd")
        yield Parcel(target, "vhd", made.virtual_bytes)


async def upload(line: Line, host: str, vdi: str, parcel: Parcel) -> None:
    """Write a file into a VDI that is large enough, and wait until it has arrived."""
    size = (await asyncio.to_thread(os.stat, parcel.path)).st_size
    doing = f"{line.place}: write {parcel.path} into a disk"
    async with _task(line, "sagastack import", doing) as task:
        query = {"vdi": vdi, "task_id": task, "format": parcel.image_format}
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        async with line.door(
            "PUT", host, "/import_raw_vdi", query, limit_s=COPY_S, data=lambda: _file(parcel.path),
            headers=headers,
        ) as answer:  # fmt: skip
            await answer.read()


async def download(line: Line, host: str, vdi: str, path: str) -> None:
    """Write a VDI as a VHD file; one that was cut short is no success."""
    doing = f"{line.place}: read a disk into {path}"
    async with _task(line, "sagastack export", doing) as task:
        query = {"vdi": vdi, "task_id": task, "format": "vhd"}
        async with line.door("GET", host, "/export_raw_vdi", query, limit_s=COPY_S) as answer:
            with await asyncio.to_thread(Path(path).open, "wb") as file:
                async for data in answer.content.iter_chunked(CHUNK_BYTES):
                    await asyncio.to_thread(file.write, data)


async def written(line: Line, host: str, vdi: str, content: bytes, scratch: str) -> None:
    """The same for bytes that are at hand."""
    with tempfile.TemporaryDirectory(dir=scratch or None, prefix="xapi-") as folder:
        path = Path(folder) / "content"
        await asyncio.to_thread(path.write_bytes, content)
        await upload(line, host, vdi, Parcel(str(path), "raw", whole_grains(len(content))))


@asynccontextmanager
async def _task(line: Line, label: str, doing: str) -> AsyncIterator[str]:
    """A task for a door; a line that broke is asked for its task before anything is concluded."""
    task = await line.call("task.create", label, "")
    broke: DriverError | None = None
    try:
        try:
            yield task
        except (Unavailable, Unknown) as error:
            broke = error
        record = await line.call("task.get_record", task)
        if broke is not None and record["status"] == "pending":
            raise Unavailable(f"{doing}: the line was lost in the middle: {broke}") from broke
        await line.finish(task, doing=doing, limit_s=COPY_S)
    except Unknown as error:
        # What was being written is nobody's yet, so nothing has happened that counts.
        raise Unavailable(str(error)) from error
    finally:
        with suppress(DriverError):
            await line.call("task.destroy", task)


async def _file(path: str) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(Path(path).open, "rb") as file:
        while data := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield data
