"""How often somebody may be wrong, counted by all controllers together: a table.

A try is counted before it is made and taken back when it was right: tries made side by side on
several controllers are as many as they are. One whose controller died counts as wrong.
"""

from __future__ import annotations

from collections.abc import Hashable
from hashlib import sha256

from api.attempts import MOST, PAUSE_MS, Turns
from api.errors import Away
from engine.cluster.database import Database
from engine.cluster.store import DatabaseGone

SWEEP_MS = 60_000
LINES = 2
TABLES = (
    """CREATE TABLE IF NOT EXISTS sagastack_attempts (
        whom bytea PRIMARY KEY,
        failed integer NOT NULL,
        last_ms bigint NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS sagastack_attempts_last ON sagastack_attempts (last_ms)",
)
# Also further ahead than a pause is long: a clock was set back, and nobody waits for that.
OVER = "had.last_ms <= %(before)s OR had.last_ms >= %(after)s"
TRY = f"""INSERT INTO sagastack_attempts AS had VALUES (%(whom)s, 1, %(now)s)
    ON CONFLICT (whom) DO UPDATE SET
        failed = CASE WHEN {OVER} THEN 1 ELSE had.failed + 1 END,
        last_ms = CASE WHEN {OVER} THEN excluded.last_ms
            ELSE greatest(had.last_ms, excluded.last_ms) END
    WHERE had.failed < %(most)s OR {OVER}
    RETURNING failed"""
FORGET = "DELETE FROM sagastack_attempts WHERE whom = %s"
SWEEP = "DELETE FROM sagastack_attempts WHERE last_ms <= %s"


class SharedAttempts(Turns):
    """An `AttemptStore` in a database. Only hashes of whom it concerns are there."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database
        self._tries: dict[Hashable, int] = {}
        self._swept_at_ms = 0

    @classmethod
    async def connect(cls, url: str) -> SharedAttempts:
        database = Database(url, most=LINES)
        await database.make(*TABLES)
        return cls(database)

    async def may_try(self, whom: Hashable, now_ms: int) -> bool:
        before = now_ms - PAUSE_MS
        values = {"whom": _name(whom), "now": now_ms, "before": before, "most": MOST}
        values["after"] = now_ms + PAUSE_MS
        try:
            if now_ms - self._swept_at_ms >= SWEEP_MS:
                self._swept_at_ms = now_ms
                await self._database.ask(SWEEP, (before,))
            found = await self._database.ask(TRY, values)
        except DatabaseGone as gone:
            raise Away from gone
        if found:
            self._tries[whom] = int(found[0][0])
        return bool(found)

    async def failed(self, whom: Hashable, now_ms: int) -> bool:
        return self._tries.pop(whom, MOST) >= MOST

    async def succeeded(self, whom: Hashable) -> None:
        self._tries.pop(whom, None)
        try:
            await self._database.ask(FORGET, (_name(whom),))
        except DatabaseGone as gone:
            raise Away from gone

    async def disconnect(self) -> None:
        await self._database.close()


def _name(whom: Hashable) -> bytes:
    return sha256(repr(whom).encode()).digest()
