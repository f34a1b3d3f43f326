"""Sessions that several controllers share: a table, asked at each request that comes by a session.

So a session that ends on one controller has ended on all. Each use is noted only once in a while,
as a note is a write: a session may end that much before its time. While the database is gone,
nobody can end a session everywhere: those that a controller saw lately go on there for a short
time, of others nobody can say anything, and what is ended then has ended here, and everywhere once
the database is back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from api.errors import Away
from api.sessions import IDLE_MS, Session, hashed, new_secret
from engine.cluster.database import Database
from engine.cluster.store import DatabaseGone

SESSIONS_MAX = 100_000
SWEEP_MS = 60_000
# How long a controller goes by what the database said last, and of how many sessions.
GRACE_MS, SEEN_MAX = 120_000, 10_000
# A use is noted when the last noted one is this part of the idle time ago, or a minute.
NOTES, NOTE_MS = 20, 60_000
LINES = 4
TABLES = (
    """CREATE TABLE IF NOT EXISTS sagastack_sessions (
        name bytea PRIMARY KEY,
        user_id uuid NOT NULL,
        key_hash bytea NOT NULL,
        used_at_ms bigint NOT NULL,
        stamp text NOT NULL,
        verified boolean NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS sagastack_sessions_used ON sagastack_sessions (used_at_ms)",
)
OPEN = "INSERT INTO sagastack_sessions VALUES (%s, %s, %s, %s, %s, false) ON CONFLICT DO NOTHING"
READ = """SELECT name, user_id, key_hash, used_at_ms, stamp, verified
    FROM sagastack_sessions WHERE name = %s"""
NOTE = "UPDATE sagastack_sessions SET used_at_ms = greatest(used_at_ms, %s) WHERE name = %s"
VERIFY = "UPDATE sagastack_sessions SET verified = true WHERE name = %s"
CLOSE = "DELETE FROM sagastack_sessions WHERE name = ANY(%s) RETURNING name"
SWEEP_IDLE = "DELETE FROM sagastack_sessions WHERE used_at_ms < %s"
SWEEP_MANY = """DELETE FROM sagastack_sessions WHERE name IN (
    SELECT name FROM sagastack_sessions ORDER BY used_at_ms DESC OFFSET %s)"""


class SharedSessions:
    """A `SessionStore` in the database at `url`. `random_bytes` is the source of the secrets."""

    def __init__(self, database: Database, random_bytes: Callable[[int], bytes]) -> None:
        self._database, self._random_bytes = database, random_bytes
        self._seen: OrderedDict[bytes, tuple[Session, int]] = OrderedDict()
        self._owed: set[bytes] = set()
        self._swept_at_ms = 0
        self._idle_ms = IDLE_MS

    @classmethod
    async def connect(cls, url: str, random_bytes: Callable[[int], bytes]) -> SharedSessions:
        database = Database(url, most=LINES)
        await database.make(*TABLES)
        return cls(database, random_bytes)

    async def open(self, user_id: UUID, now_ms: int, stamp: str = "") -> tuple[str, str]:
        token, key = new_secret(self._random_bytes), new_secret(self._random_bytes)
        try:
            await self._sweep(now_ms)
            values = (hashed(token), user_id, hashed(key), now_ms, stamp)
            await self._database.ask(OPEN, values)
        except DatabaseGone as gone:
            raise Away from gone
        return token, key

    async def check(
        self, token: str, cookie_key: str, param_key: str, now_ms: int, idle_ms: int = IDLE_MS
    ) -> Session | None:
        name = hashed(token)
        self._idle_ms = max(self._idle_ms, idle_ms)
        try:
            await self._settle()
            found = await self._database.ask(READ, (name,)) if token else []
        except DatabaseGone as gone:
            session = self._seen_lately(name, now_ms)
            if session is None:
                raise Away from gone
            right = session.opens(cookie_key, param_key)
            return session if right and now_ms - session.used_at_ms < idle_ms else None
        if not found:
            self._seen.pop(name, None)
            return None
        session = Session(*found[0])
        if not session.opens(cookie_key, param_key) or now_ms - session.used_at_ms >= idle_ms:
            await self.revoke(session)
            return None
        await self._used(session, now_ms, idle_ms)
        return session

    async def verify(self, session: Session) -> None:
        try:
            await self._database.ask(VERIFY, (session.name,))
        except DatabaseGone as gone:
            raise Away from gone
        session.verified = True

    async def close(self, token: str) -> bool:
        return await self._end(hashed(token))

    async def revoke(self, session: Session) -> None:
        await self._end(session.name)

    async def _end(self, name: bytes) -> bool:
        """End a session; one that was seen here and cannot be ended everywhere is owed."""
        seen = self._seen.pop(name, None)
        try:
            return bool(await self._database.ask(CLOSE, ([name],), repeatable=False))
        except DatabaseGone as gone:
            if seen is not None:
                self._owed.add(name)
            raise Away from gone

    async def _settle(self) -> None:
        """End what is owed."""
        if owed := list(self._owed):
            await self._database.ask(CLOSE, (owed,))
            self._owed.difference_update(owed)

    async def disconnect(self) -> None:
        await self._database.close()

    async def _used(self, session: Session, now_ms: int, idle_ms: int) -> None:
        """Note the use if it is time, and that the session was there just now."""
        if now_ms - session.used_at_ms >= min(idle_ms // NOTES, NOTE_MS):
            with suppress(DatabaseGone):
                await self._database.ask(NOTE, (now_ms, session.name))
        session.used_at_ms = max(session.used_at_ms, now_ms)
        self._seen[session.name] = session, now_ms
        self._seen.move_to_end(session.name)
        if len(self._seen) > SEEN_MAX:
            self._seen.popitem(last=False)

    def _seen_lately(self, name: bytes, now_ms: int) -> Session | None:
        session, confirmed_at_ms = self._seen.get(name, (None, 0))
        return session if now_ms - confirmed_at_ms < GRACE_MS else None

    async def _sweep(self, now_ms: int) -> None:
        """Now and then, remove what is idle, and of too many those that are idle longest."""
        if now_ms - self._swept_at_ms < SWEEP_MS:
            return
        self._swept_at_ms = now_ms
        await self._database.ask(SWEEP_IDLE, (now_ms - self._idle_ms,))
        await self._database.ask(SWEEP_MANY, (SESSIONS_MAX,))
