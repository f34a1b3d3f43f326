"""Connections to the shared database for what is not the log: short questions, each with an end.

The log has a connection of its own in its own thread; what is here never waits for that one, nor it
for this. A question that is not answered in time closes its connection, as nobody can know in
which state that one is. A database that cannot be asked is one exception, whatever the cause was.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, AsyncCursor, errors, waiting
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from engine.cluster.store import DatabaseGone

T = TypeVar("T")
Row = tuple[Any, ...]
Values = Sequence[Any] | Mapping[str, Any]

TIMEOUT_S = 2.0
# How long nobody tries again after a connection failed, so that a crowd does not wait in turn.
REST_S = 0.3
WAKE_S = 1.0
# One lock for all tables of ours: two that make one table at a moment fail otherwise.
MAKING = 0x5A6A
GONE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    errors.ReadOnlySqlTransaction,
    OSError,
    TimeoutError,
)


class _Line(AsyncConnection[Row]):
    """A connection that is dropped at once when whoever asked stops waiting.

    psycopg would ask the server to stop first, and wait for that up to ten seconds.
    """

    async def wait(self, gen: PQGen[T], *args: Any, **options: Any) -> T:
        # Without an interval, it would look at the socket again and again.
        if not args:
            options.setdefault("interval", WAKE_S)
        try:
            return await waiting.wait_async(gen, self.pgconn.socket, *args, **options)
        except asyncio.CancelledError:
            self.pgconn.finish()
            raise


class Database:
    """At most `most` connections to one database, made when they are needed.

    `timeout_s` bounds a question with all that it waits for: a free connection, connecting, and the
    answer. Commits are durable unless `durable=False`, which spares the wait for the disk.
    """

    def __init__(
        self, url: str, *, most: int = 1, timeout_s: float = TIMEOUT_S, durable: bool = True
    ) -> None:
        parts = conninfo_to_dict(url)
        self.name = (
            f"postgres at {parts.get('host', '')}:{parts.get('port') or 5432}/"
            f"{parts.get('dbname') or 'sagastack'}"
        )
        self._target = make_conninfo(
            url,
            dbname=str(parts.get("dbname") or "sagastack"),
            connect_timeout=max(2, math.ceil(timeout_s)),
            application_name=str(parts.get("application_name") or "sagastack"),
        )
        self._timeout_s = timeout_s
        self._durable = durable
        self._free = asyncio.Semaphore(most)
        self._idle: list[_Line] = []
        self._closed = False
        self._rests_until_s = 0.0

    async def ask(
        self, statement: str, values: Values = (), *, repeatable: bool = True
    ) -> list[Row]:
        """One statement in a transaction of its own; its rows, if it has any.

        A connection that had been lying idle may have died meanwhile: then a statement that may be
        made twice is made again on a new one.
        """
        try:
            async with asyncio.timeout(self._timeout_s), self._free:
                used = bool(self._idle)
                try:
                    return await self._ask(statement, values)
                except GONE:
                    if not used or not repeatable:
                        raise
                    await self._forget()
                    return await self._ask(statement, values)
        except GONE as wrong:
            raise self._gone(wrong) from wrong

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncCursor[Row]]:
        """Several statements, all or none. Nothing in the block may wait for something else."""
        try:
            async with asyncio.timeout(self._timeout_s), self._free:
                async with self._line() as line, line.transaction(), line.cursor() as cursor:
                    yield cursor
        except GONE as wrong:
            raise self._gone(wrong) from wrong

    async def make(self, *statements: str) -> None:
        """Make tables that may be there already, whoever else does so at this moment."""
        async with self.transaction() as cursor:
            await cursor.execute("SELECT pg_advisory_xact_lock(%s)", (MAKING,))
            for statement in statements:
                await cursor.execute(statement.encode())

    async def close(self) -> None:
        self._closed = True
        await self._forget()

    async def _ask(self, statement: str, values: Values) -> list[Row]:
        async with self._line() as line, line.cursor() as cursor:
            await cursor.execute(statement.encode(), values)
            return await cursor.fetchall() if cursor.description is not None else []

    @asynccontextmanager
    async def _line(self) -> AsyncIterator[_Line]:
        """A connection; kept for the next one, unless something happened to it."""
        line = self._idle.pop() if self._idle else await self._connect()
        try:
            yield line
        finally:
            idle = line.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
            if line.closed or not idle or self._closed:
                line.pgconn.finish()
            else:
                self._idle.append(line)

    async def _connect(self) -> _Line:
        if self._closed:
            raise psycopg.InterfaceError("this controller is closing")
        if time.monotonic() < self._rests_until_s:
            raise psycopg.OperationalError("it could not be reached a moment ago")
        line = await _Line.connect(self._target, autocommit=True)
        # A question that nobody waits for any more ends by itself.
        given_up_ms = round(self._timeout_s * 1000)
        await line.execute(
            "SELECT set_config('statement_timeout', %s, false), "
            "set_config('synchronous_commit', %s, false)",
            (str(given_up_ms), "on" if self._durable else "off"),
        )
        return line

    async def _forget(self) -> None:
        while self._idle:
            self._idle.pop().pgconn.finish()

    def _gone(self, wrong: BaseException) -> DatabaseGone:
        if time.monotonic() >= self._rests_until_s:
            self._rests_until_s = time.monotonic() + REST_S
        why = str(wrong).strip() or f"no answer within {self._timeout_s:g} s"
        return DatabaseGone(
            f"{self.name} cannot be asked ({why}): see that it runs and can be reached from here"
        )
