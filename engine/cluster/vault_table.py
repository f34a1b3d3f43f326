"""The sealed entries that all controllers share: a table. The key that opens them is not there.

A mark counts what was shredded or replaced, in the transaction that did it. Whoever keeps entries
open looks at the mark each second, and only when it moved asks which of them are concerned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from engine.cluster.database import Database
from engine.vault_entries import Sealed

TABLES = (
    """CREATE TABLE IF NOT EXISTS sagastack_vault (
        id uuid PRIMARY KEY,
        sealed bytea NOT NULL,
        lasting boolean NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS sagastack_vault_mark (
        one boolean PRIMARY KEY CHECK (one),
        number bigint NOT NULL)""",
    "INSERT INTO sagastack_vault_mark VALUES (true, 0) ON CONFLICT DO NOTHING",
)
READ = "SELECT sealed, lasting FROM sagastack_vault WHERE id = %s"
# What is there already is changed, and that is marked; what is new was kept open by nobody.
WRITE = """WITH put AS (
        INSERT INTO sagastack_vault VALUES (%s, %s, %s)
        ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed, lasting = false
        RETURNING xmax <> 0 AS replaced)
    UPDATE sagastack_vault_mark SET number = number + 1 WHERE (SELECT replaced FROM put)"""
KEEP = "INSERT INTO sagastack_vault VALUES (%s, %s, true) ON CONFLICT DO NOTHING"
FILL = b"""INSERT INTO sagastack_vault SELECT id, sealed, true
    FROM unnest(%s::uuid[], %s::bytea[]) AS one (id, sealed) ON CONFLICT DO NOTHING"""
DELETE = """WITH gone AS (DELETE FROM sagastack_vault WHERE id = %s RETURNING id)
    UPDATE sagastack_vault_mark SET number = number + 1 WHERE EXISTS (SELECT 1 FROM gone)
    RETURNING number"""
MARK = "SELECT number FROM sagastack_vault_mark"
CHANGED = """SELECT known.id FROM unnest(%s::uuid[]) AS known (id)
    WHERE NOT EXISTS (SELECT 1 FROM sagastack_vault v WHERE v.id = known.id AND v.lasting)"""
LINES = 4
CONCERNED_MAX = 5_000


class TableEntries:
    """Entries in the database at `url`."""

    def __init__(self, database: Database) -> None:
        self.name = f"the vault in {database.name}"
        self._database = database
        self._mark = -1

    @classmethod
    async def open(cls, url: str) -> TableEntries:
        database = Database(url, most=LINES)
        try:
            await database.make(*TABLES)
        except BaseException:
            await database.close()
            raise
        return cls(database)

    async def read(self, entry: UUID) -> Sealed | None:
        found = await self._database.ask(READ, (entry,))
        return Sealed(bytes(found[0][0]), bool(found[0][1])) if found else None

    async def write(self, entry: UUID, sealed: bytes, *, lasting: bool) -> None:
        await self._database.ask(WRITE, (entry, sealed, lasting))

    async def keep(self, entry: UUID, sealed: bytes) -> None:
        await self._database.ask(KEEP, (entry, sealed))

    async def delete(self, entry: UUID) -> bool:
        return bool(await self._database.ask(DELETE, (entry,)))

    async def changed(self, known: Collection[UUID]) -> Collection[UUID]:
        mark = int((await self._database.ask(MARK))[0][0])
        if mark == self._mark:
            return ()
        changed: list[UUID] = []
        ids = list(known)
        for first in range(0, len(ids), CONCERNED_MAX):
            rows = await self._database.ask(CHANGED, (ids[first : first + CONCERNED_MAX],))
            changed += [row[0] for row in rows]
        self._mark = mark
        return changed

    async def fill(self, entries: Iterable[tuple[UUID, bytes]]) -> None:
        """Take in the entries of a file, all or none; those that are here already stay."""
        found = list(entries)
        columns = [one for one, _ in found], [sealed for _, sealed in found]
        async with self._database.transaction() as cursor:
            await cursor.execute(FILL, columns)

    async def all(self) -> list[tuple[UUID, bytes]]:
        """Every entry as it lies, for a backup."""
        rows = await self._database.ask("SELECT id, sealed FROM sagastack_vault ORDER BY id")
        return [(row[0], bytes(row[1])) for row in rows]

    async def close(self) -> None:
        await self._database.close()
