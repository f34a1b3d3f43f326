"""How far somebody has come in the log: kept where whoever goes on after it will look."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from engine.cluster.database import Database

TABLE = """CREATE TABLE IF NOT EXISTS sagastack_cursors (
    name text PRIMARY KEY,
    position bigint NOT NULL)"""
# Never backwards: one that was paused must not undo what its successor did.
MOVE = """INSERT INTO sagastack_cursors AS had (name, position) VALUES (%s, %s)
    ON CONFLICT (name) DO UPDATE SET position = greatest(had.position, excluded.position)"""
ASK = "SELECT position FROM sagastack_cursors WHERE name = %s"


class Cursor(Protocol):
    async def load(self) -> int | None:
        """The position, or None if nobody has begun yet."""

    async def move(self, position: int) -> None: ...


class FileCursor:
    """For a controller that shares with nobody: a number in a file, replaced whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def load(self) -> int | None:
        try:
            return int(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return None

    async def move(self, position: int) -> None:
        beside = self._path.with_suffix(".new")
        with beside.open("w") as file:
            file.write(f"{position}\n")
            file.flush()
            os.fsync(file.fileno())  # Else a loss of power may leave an empty one under its name.
        os.replace(beside, self._path)


class TableCursor:
    """For several controllers: a row of the database that they share."""

    def __init__(self, database: Database, name: str) -> None:
        self._database, self._name = database, name
        self._made = False

    async def load(self) -> int | None:
        if not self._made:
            await self._database.make(TABLE)
            self._made = True
        rows = await self._database.ask(ASK, (self._name,))
        return int(rows[0][0]) if rows else None

    async def move(self, position: int) -> None:
        await self._database.ask(MOVE, (self._name, position))
