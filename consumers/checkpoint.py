"""Where a consumer stands, kept by the consumer: a position of the log, saved when it says so."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Protocol


class Checkpoint(Protocol):
    """What keeps a position between two lives of a consumer. 0 is the log's beginning."""

    async def load(self) -> int: ...

    async def save(self, position: int) -> None: ...


class FileCheckpoint:
    """A position in a file, replaced whole: a crash leaves the old one or the new one."""

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)

    async def load(self) -> int:
        return await asyncio.to_thread(self._load)

    async def save(self, position: int) -> None:
        await asyncio.to_thread(self._save, position)

    def _load(self) -> int:
        try:
            return int(self._path.read_text())
        except FileNotFoundError:
            return 0

    def _save(self, position: int) -> None:
        fresh = self._path.with_name(self._path.name + ".new")
        with fresh.open("w") as file:
            file.write(f"{position}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
