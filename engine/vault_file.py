"""The sealed entries of a single controller: a SQLite file, used from a thread of its own."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from engine.vault_entries import Sealed, VaultError, VaultUnavailable

T = TypeVar("T")


class FileEntries:
    """Entries at `path`. Nobody else uses the file, so what was read once stays so."""

    def __init__(self, path: Path, database: sqlite3.Connection, disk: ThreadPoolExecutor) -> None:
        self.name = str(path)
        self._database, self._disk = database, disk

    @classmethod
    async def open(cls, path: Path) -> FileEntries:
        disk = ThreadPoolExecutor(1, "vault")
        try:
            work = partial(_connect, path)
            database = await asyncio.get_running_loop().run_in_executor(disk, work)
        except (OSError, sqlite3.Error) as wrong:
            disk.shutdown(wait=False)
            raise VaultError(f"the vault {path} cannot be opened: {wrong}") from wrong
        return cls(path, database, disk)

    async def read(self, entry: UUID) -> Sealed | None:
        found = await self._ask("SELECT sealed FROM entry WHERE id=?", entry.hex)
        return Sealed(found[0][0], lasting=True) if found else None

    async def write(self, entry: UUID, sealed: bytes, *, lasting: bool) -> None:
        await self._ask("INSERT OR REPLACE INTO entry VALUES (?,?)", entry.hex, sealed)

    async def keep(self, entry: UUID, sealed: bytes) -> None:
        await self._ask("INSERT OR IGNORE INTO entry VALUES (?,?)", entry.hex, sealed)

    async def delete(self, entry: UUID) -> bool:
        return bool(await self._ask("DELETE FROM entry WHERE id=? RETURNING id", entry.hex))

    async def changed(self, known: Collection[UUID]) -> Collection[UUID]:
        return ()

    async def all(self) -> list[tuple[UUID, bytes]]:
        """Every entry, for moving house."""
        return [(UUID(name), sealed) for name, sealed in await self._ask("SELECT * FROM entry")]

    async def close(self) -> None:
        await self._on_disk(self._database.close)
        self._disk.shutdown(wait=False)

    async def _ask(self, statement: str, *values: object) -> list[Any]:
        def work() -> list[Any]:
            with self._database:
                return self._database.execute(statement, values).fetchall()

        return await self._on_disk(work)

    async def _on_disk(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._disk, work)
        except sqlite3.OperationalError as wrong:
            raise VaultUnavailable(
                f"nothing was changed, ask again later: the vault {self.name}: {wrong}"
            ) from wrong
        except sqlite3.Error as wrong:
            raise VaultError(f"the vault {self.name} could not be used: {wrong}") from wrong


def _connect(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    database = sqlite3.connect(path, check_same_thread=False)
    # Deleted content is overwritten with zeros, in the file and in the rollback journal.
    for pragma in ("secure_delete=ON", "journal_mode=TRUNCATE", "synchronous=FULL"):
        database.execute(f"PRAGMA {pragma}")
    database.execute("CREATE TABLE IF NOT EXISTS entry (id TEXT PRIMARY KEY, sealed BLOB)")
    return database
