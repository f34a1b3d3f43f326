"""Bytes of disks: a sparse raw file for each VDI, copied and converted by the file system and QEMU.

VHD is written and read by qemu-img, so what goes over the wire is what another tool would send.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

CHUNK_BYTES = 4 * 1024**2
TOOL_S = 60.0


class BadImage(Exception):
    """What was sent is not of the format that it was said to be."""


def make(path: Path, size_bytes: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.truncate(size_bytes)


def resize(path: Path, size_bytes: int) -> None:
    os.truncate(path, size_bytes)


def used_bytes(path: Path) -> int:
    return path.stat().st_blocks * 512


def copy(source: Path, target: Path) -> None:
    """Copy the data over a target that is there, leaving its holes; it may be the larger one."""
    size = source.stat().st_size
    with source.open("rb") as one, target.open("r+b") as other:
        at = 0
        while at < size:
            try:
                at = os.lseek(one.fileno(), at, os.SEEK_DATA)
            except OSError:  # no data behind it
                return
            end = os.lseek(one.fileno(), at, os.SEEK_HOLE)
            while at < end:
                data = os.pread(one.fileno(), min(CHUNK_BYTES, end - at), at)
                at += os.pwrite(other.fileno(), data, at)


async def write(path: Path, sent: Path, image_format: str) -> None:
    """Write an image that was sent into a VDI."""
    if image_format == "raw":
        await asyncio.to_thread(_put, path, sent)
        return
    raw = sent.with_suffix(".raw")
    try:
        await _tool("qemu-img", "convert", "-f", "vpc", "-O", "raw", "--", str(sent), str(raw))
        await asyncio.to_thread(_put, path, raw)
    finally:
        raw.unlink(missing_ok=True)


def _put(path: Path, raw: Path) -> None:
    if (size := raw.stat().st_size) > path.stat().st_size:
        raise BadImage(f"{size} bytes do not fit into the VDI")
    copy(raw, path)


async def as_vhd(path: Path, target: Path) -> None:
    how = ("-f", "raw", "-O", "vpc", "-o", "subformat=dynamic,force_size=on")
    await _tool("qemu-img", "convert", *how, "--", str(path), str(target))


async def _tool(*argv: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(TOOL_S):
        said, _ = await process.communicate()
    if process.returncode:
        raise BadImage(said.decode(errors="replace").strip())
