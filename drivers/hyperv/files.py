"""Files of a host: carried there and back over the same line, named only when they are whole.

Two short scripts read and write a stretch of a file through .NET, since no command does; what is
all zeros is not carried. Everything else is commands.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from drivers.contract.errors import Unavailable
from drivers.hyperv import errors
from drivers.hyperv.client import Client
from drivers.hyperv.words import Statement, ask, cmd, do, script

CHUNK_BYTES = 1 << 20
CARRY_S = 120.0

WRITE = """
param([string]$Path, [long]$Offset, [byte[]]$Bytes, [long]$Size)
$stream = [System.IO.File]::Open($Path, 'OpenOrCreate', 'Write', 'None')
try {
    $stream.SetLength($Size)
    $null = $stream.Seek($Offset, 'Begin')
    $stream.Write($Bytes, 0, $Bytes.Length)
} finally { $stream.Dispose() }
"""
READ = """
param([string]$Path, [long]$Offset, [int]$Count)
$stream = [System.IO.File]::Open($Path, 'Open', 'Read', 'ReadWrite')
try {
    $null = $stream.Seek($Offset, 'Begin')
    $buffer = New-Object byte[] $Count
    $got = $stream.Read($buffer, 0, $Count)
} finally { $stream.Dispose() }
[System.Convert]::ToBase64String($buffer, 0, $got)
"""
SPACE = """
param([string]$Path)
$system = New-Object -ComObject Scripting.FileSystemObject
$drive = $system.GetDrive($Path)
$drive.TotalSize
$drive.FreeSpace
"""
FILE = ("Name", "FullName", "Length", "LastWriteTimeUtc")


def listing(folder: str, wanted: str = "*", *, deep: bool = False) -> Statement:
    switches = ("File", "Recurse") if deep else ("File",)
    found = cmd("Get-ChildItem", *switches, LiteralPath=folder, Filter=wanted, quiet=True)
    return ask(found, properties=FILE)


def remove(*paths: str) -> Statement:
    """Gone already is success, so each is its own command's business: say one at a time."""
    return do(cmd("Remove-Item", "Force", LiteralPath=list(paths)))


def move(source: str, target: str, *, over: bool = False) -> Statement:
    switches = ("Force",) if over else ()
    return do(cmd("Move-Item", *switches, LiteralPath=source, Destination=target))


def note(path: str) -> Statement:
    return do(cmd("New-Item", "Force", Path=path, ItemType="File"))


class Files:
    """What is carried to one host and from it."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def send(self, local: str, path: str, *, about: UUID) -> None:
        """Write a file of ours to a new file of the host's."""
        size_bytes = await asyncio.to_thread(os.path.getsize, local)
        for offset, count in _stretches(size_bytes):
            chunk = await asyncio.to_thread(_read, local, offset, count)
            if chunk.strip(b"\0") or offset + count == size_bytes:
                await self._write(path, offset, chunk, size_bytes, about)

    async def send_bytes(self, content: bytes, path: str, *, about: UUID) -> None:
        for offset in range(0, len(content), CHUNK_BYTES):
            chunk = content[offset : offset + CHUNK_BYTES]
            await self._write(path, offset, chunk, len(content), about)

    async def fetch(self, path: str, local: str) -> None:
        """Read a file of the host's into one of ours."""
        told = await self._client.ask(
            ask(cmd("Get-Item", LiteralPath=[path]), properties=FILE), doing=f"look at {path}"
        )
        size_bytes = int(told[0][0]["Length"])
        with await asyncio.to_thread(open, local, "wb") as file:
            for offset, count in _stretches(size_bytes):
                said = await self._client.ask(
                    script(READ, Path=path, Offset=offset, Count=count),
                    doing=f"read {path}",
                    timeout_s=CARRY_S,
                )
                chunk = base64.b64decode(said[0][0])
                if len(chunk) != count:
                    raise Unavailable(f"read {path}: it is shorter than it was: read it again")
                if chunk.strip(b"\0"):
                    await asyncio.to_thread(_write_at, file, offset, chunk)
            await asyncio.to_thread(file.truncate, size_bytes)

    async def gone(self, path: str, *, about: UUID, doing: str) -> None:
        """Remove a file; gone already is success."""
        try:
            await self._client.raw(remove(path), about=about, doing=doing)
        except errors.CommandFailed as failed:
            if not errors.is_missing(failed):
                raise errors.of_command(failed, doing=doing) from failed

    async def swept(self, folder: str, *, about: UUID, doing: str) -> None:
        """Remove a folder with all that is in it; gone already is success."""
        gone = cmd("Remove-Item", "Force", "Recurse", LiteralPath=[folder])
        try:
            await self._client.raw(do(gone), about=about, doing=doing)
        except errors.CommandFailed as failed:
            if not errors.is_missing(failed):
                raise errors.of_command(failed, doing=doing) from failed

    async def _write(
        self, path: str, offset: int, chunk: bytes, size_bytes: int, about: UUID
    ) -> None:
        """The same stretch written twice is written once, so a lost answer does no harm."""
        await self._client.order(
            script(WRITE, Path=path, Offset=offset, Bytes=chunk, Size=size_bytes),
            about=about,
            doing=f"write {path}",
            timeout_s=CARRY_S,
        )


def _stretches(size_bytes: int) -> Iterator[tuple[int, int]]:
    for offset in range(0, size_bytes, CHUNK_BYTES):
        yield offset, min(CHUNK_BYTES, size_bytes - offset)


def _read(path: str, offset: int, count: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(count)


def _write_at(file: Any, offset: int, chunk: bytes) -> None:
    file.seek(offset)
    file.write(chunk)
