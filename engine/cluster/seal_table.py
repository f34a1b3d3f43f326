"""The one chain of seals that all controllers share: a table that can only go on behind its end.

Each row names the one before it by number and by hash, and no two name the same: whoever seals with
an old view is refused by the table itself, whatever it believes about leases.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from psycopg.errors import IntegrityError

from engine.cluster.database import Database, Row
from engine.log.seal import Seal

TABLE = """CREATE TABLE IF NOT EXISTS sagastack_seals (
    number bigint PRIMARY KEY CHECK (number > 0),
    before bigint GENERATED ALWAYS AS (number - 1) STORED,
    hash text NOT NULL,
    previous text UNIQUE,
    seal bytea NOT NULL,
    UNIQUE (number, hash),
    CHECK ((number = 1) = (previous IS NULL)),
    FOREIGN KEY (before, previous) REFERENCES sagastack_seals (number, hash))"""
APPEND = b"""INSERT INTO sagastack_seals (number, hash, previous, seal)
    SELECT number, hash, nullif(previous, ''), seal
    FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bytea[])
    AS one (number, hash, previous, seal)"""
AFTER = "SELECT seal FROM sagastack_seals WHERE number > %s ORDER BY number LIMIT %s"
LAST = "SELECT seal FROM sagastack_seals ORDER BY number DESC LIMIT 1"
NUMBER = "SELECT seal FROM sagastack_seals WHERE number = %s"
# A whole chain may come in at once, when a single controller becomes one of several.
TIMEOUT_S = 20.0


class SealTable:
    """The chain in the database at `url`."""

    def __init__(self, database: Database) -> None:
        self.name = f"the seals in {database.name}"
        self._database = database

    @classmethod
    async def open(cls, url: str) -> SealTable:
        database = Database(url, most=2, timeout_s=TIMEOUT_S)
        try:
            await database.make(TABLE)
        except BaseException:
            await database.close()
            raise
        return cls(database)

    async def append(self, *seals: Seal) -> bool:
        """Put seals behind the last one, all or none; False if another seal is there by now.

        It is one statement: psycopg's `executemany` fails its own assertions when it is cancelled.
        """
        columns = (
            [one.number for one in seals],
            [one.hash() for one in seals],
            [one.previous for one in seals],
            [msgspec.json.encode(one) for one in seals],
        )
        try:
            async with self._database.transaction() as cursor:
                await cursor.execute(APPEND, columns)
        except IntegrityError:
            return False
        return True

    async def after(self, number: int, *, limit: int = 1_000) -> list[Seal]:
        """The seals behind a number, in their order."""
        return _seals(await self._database.ask(AFTER, (number, limit)))

    async def last(self) -> Seal | None:
        found = _seals(await self._database.ask(LAST))
        return found[0] if found else None

    async def at(self, number: int) -> Seal | None:
        found = _seals(await self._database.ask(NUMBER, (number,)))
        return found[0] if found else None

    async def close(self) -> None:
        await self._database.close()


def _seals(rows: Sequence[Row]) -> list[Seal]:
    return [msgspec.json.decode(bytes(row[0]), type=Seal) for row in rows]
