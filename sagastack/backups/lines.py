"""A file of lines that is whole or no file: gzip of JSON lines, ended by its own hash.

Any tool reads it (`zcat`). Its last line is a gzip member of its own with the SHA-256 of every
byte before, so that no flipped bit and no cut goes unseen, wherever it is. The file gets its name
only when it is whole and on disk.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import TracebackType

from engine.log import LogError
from engine.private_files import sync_folder

LEVEL = 4
CHUNK_BYTES = 1 << 20
BUFFER_BYTES = 1 << 18
GZIP = zlib.MAX_WBITS | 16
MAGIC = b"\x1f\x8b"
# Deflate, no name, no time, of unknown origin: the same bytes everywhere.
_HEAD = MAGIC + b"\x08\x00\x00\x00\x00\x00\x00\xff"
_STORED = struct.Struct("<BHH")
_FOOT = struct.Struct("<II")


class BackupError(LogError):
    """A backup cannot be taken, is damaged, or does not fit; the text says which and what to do."""


class LinesWriter:
    """Writes `path` + `.partial`, for its owner only; `close` makes it `path`."""

    def __init__(self, path: Path) -> None:
        if path.exists():
            raise BackupError(f"{path} is there already: choose another name")
        self.path, self._partial = path, path.with_name(f"{path.name}.partial")
        self._partial.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        self._file = os.fdopen(os.open(self._partial, flags, 0o600), "wb")
        self._packer = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
        self._bytes, self._lines = sha256(), sha256()
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0

    def add(self, line: bytes) -> None:
        self._waiting += (line, b"\n")
        self._waiting_bytes += len(line) + 1
        if self._waiting_bytes >= BUFFER_BYTES:
            self._pack()

    def lines_hash(self) -> str:
        """The hash of all lines until now."""
        self._pack()
        return self._lines.hexdigest()

    def _pack(self) -> None:
        plain = b"".join(self._waiting)
        self._waiting, self._waiting_bytes = [], 0
        self._lines.update(plain)
        self._write(self._packer.compress(plain))

    def _write(self, packed: bytes) -> None:
        self._bytes.update(packed)
        self._file.write(packed)

    def close(self) -> str:
        """End the file, bring it to disk, and give it its name; returns its hash."""
        self._pack()
        self._write(self._packer.flush())
        named = self._bytes.hexdigest()
        self._file.write(ending(named))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._partial.rename(self.path)
        sync_folder(self.path.parent)
        return named

    def __enter__(self) -> LinesWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, at: TracebackType | None
    ) -> None:
        """Leave nothing behind that was not closed."""
        if not self._file.closed:
            with suppress(OSError):
                self._file.close()
            self._partial.unlink(missing_ok=True)
        if isinstance(why, OSError) and why.filename is None:
            raise BackupError(f"{self.path} could not be written: {why.strerror}") from why


def ending(named: str) -> bytes:
    """The last gzip member: a line with the hash of all before it."""
    line = b'{"is":"file","sha256":"%s"}\n' % named.encode()
    length = len(line)
    stored = _STORED.pack(1, length, length ^ 0xFFFF)
    return _HEAD + stored + line + _FOOT.pack(zlib.crc32(line), length)


ENDING_BYTES = len(ending("0" * 64))


def file_hash(path: Path) -> str:
    """The hash that a whole file ends with. BackupError when it is not what was written."""
    digest = sha256()
    with path.open("rb") as file:
        left = path.stat().st_size - ENDING_BYTES
        if file.read(2) != MAGIC or left < 0:
            raise BackupError(f"{path} is no backup of sagastack")
        file.seek(0)
        while left > 0 and (chunk := file.read(min(left, CHUNK_BYTES))):
            digest.update(chunk)
            left -= len(chunk)
        last = file.read()
    named = digest.hexdigest()
    if last == ending(named):
        return named
    if last[: len(_HEAD)] != _HEAD or b'{"is":"file"' not in last:
        raise BackupError(f"{path} has no end: it was cut short, or its end was changed")
    raise BackupError(f"{path} was changed: its bytes do not have the hash that it ends with")


def is_packed(path: Path) -> bool:
    """Whether it is a file of this kind, whole or not."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file, without its last one. Ask `file_hash` first."""
    unpacker = zlib.decompressobj(GZIP)
    rest = b""
    with path.open("rb") as file:
        left = path.stat().st_size - ENDING_BYTES
        while left > 0 and (chunk := file.read(min(left, CHUNK_BYTES))):
            left -= len(chunk)
            try:
                plain = unpacker.decompress(chunk)
            except zlib.error as wrong:
                raise BackupError(f"{path} cannot be unpacked: {wrong}") from wrong
            *lines, rest = (rest + plain).split(b"\n")
            yield from lines
    if rest or not unpacker.eof or unpacker.unused_data:
        raise BackupError(f"{path} does not end where its lines do: it was put together by hand")
