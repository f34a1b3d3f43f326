"""The simulated world outlives the controller: each change is a line handed to the kernel at once.

SIGKILL loses nothing that `write` has returned from, and that is the only death that a simulated
world has to survive; power loss is not, so nothing is synced. A line is a list of rows that
become true together. A line that was cut off at the end of the file never became true. The file
is compacted, and only then, when it is opened.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from drivers.contract.errors import Refused, Unavailable
from drivers.sim.rows import Row

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(list[Row])


class Journal:
    """An append-only file of changes, locked against a second process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise Refused(
                f"another process simulates the world in {path}; stop it first"
            ) from error
        self._file = -1
        self._size_bytes = 0

    def read(self) -> Iterator[list[Row]]:
        """Every change there is, oldest first."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield _DECODER.decode(line)
                except msgspec.DecodeError as error:
                    raise Refused(
                        f"{self._path}, line {number} is no change of a simulated world ({error});"
                        " move the file away to begin a new one"
                    ) from error

    def begin(self, rows: Iterable[Row]) -> None:
        """Replace the file by one that says no more than `rows`, and append to that from now."""
        fresh = self._path.with_name(self._path.name + ".new")
        with fresh.open("wb") as file:
            file.writelines(_ENCODER.encode([row]) + b"\n" for row in rows)
        fresh.replace(self._path)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        self._size_bytes = os.fstat(self._file).st_size

    def append(self, rows: tuple[Row, ...]) -> None:
        """Hand one change to the kernel whole, or not at all."""
        line = _ENCODER.encode(rows) + b"\n"
        try:
            written = os.write(self._file, line)
        except OSError as error:
            raise Unavailable(f"the simulated world cannot change: {error}") from error
        if written != len(line):
            os.ftruncate(self._file, self._size_bytes)
            raise Unavailable("the simulated world cannot change: the disk of its journal is full")
        self._size_bytes += written

    def close(self) -> None:
        for descriptor in (self._file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._lock = -1
