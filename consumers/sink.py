"""Exactly once into PostgreSQL: the effect and the place of its event, in one transaction.

    async with await PostgresSink.open(url, "billing") as sink:
        await sink.run(consume("kafka://broker:9092?group=billing"), bill)

`bill(connection, event)` writes whatever an event means into the same database. A crash before the
commit leaves neither effect nor place, one behind it leaves both; whatever comes again is known by
its position and left out. So Kafka's offsets are only a hint where to begin, a broken commit needs
no guess, and a member that lost its partition without noticing does no harm: the row of the place
is locked until the commit.

The place is kept for each partition of a source, where positions only grow. One name belongs to
one source: a sink that moves from a group to another source takes a new name, or starts anew.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

import psycopg

from consumers.batches import batches, commit
from consumers.errors import BadSource
from consumers.event import Event
from consumers.patience import Patience
from consumers.stream import PATIENCE_S, Stream

Connection = psycopg.AsyncConnection[Any]
Effect = Callable[[Connection, Event], Awaitable[None]]

TABLE = """CREATE TABLE IF NOT EXISTS sagastack_sink (
    sink text NOT NULL, partition int NOT NULL, position bigint NOT NULL,
    PRIMARY KEY (sink, partition))"""
BEGIN = "INSERT INTO sagastack_sink VALUES (%s, %s, 0) ON CONFLICT DO NOTHING"
LOCK = "SELECT position FROM sagastack_sink WHERE sink = %s AND partition = %s FOR UPDATE"
MOVE = "UPDATE sagastack_sink SET position = %s WHERE sink = %s AND partition = %s"
PLACE = "SELECT position FROM sagastack_sink WHERE sink = %s AND partition = %s"
# Two consumers that start at the same time would both make the table.
MAKING = "SELECT pg_advisory_xact_lock(7316421504)"
CONNECT_S = 10
GONE = (psycopg.OperationalError, psycopg.InterfaceError)


class PostgresSink:
    """One consumer of this name. Several may run at a time, as members of a group do."""

    def __init__(self, url: str, name: str, *, patience_s: float = PATIENCE_S) -> None:
        self._url, self._name, self._patience_s = url, name, patience_s
        self._connection: Connection | None = None

    @classmethod
    async def open(
        cls, url: str, name: str, *, setup: Iterable[str] = (), patience_s: float = PATIENCE_S
    ) -> Self:
        """Connect and make what is missing: `setup` are statements for the sink's own tables."""
        try:
            psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.ProgrammingError:  # whose text repeats what may be a password
            form = "postgres://user@host/name"
            raise BadSource(f"the database's URL is not understood: write {form}") from None
        sink = cls(url, name, patience_s=patience_s)

        async def make(connection: Connection) -> None:
            await connection.execute(MAKING)
            for statement in (TABLE, *setup):
                await connection.execute(statement)

        await sink._surely(make)
        return sink

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def place(self, partition: int = 0) -> int:
        """The position behind which to begin, where the source is not a group: `after=`."""
        found = [0]

        async def ask(connection: Connection) -> None:
            row = await (await connection.execute(PLACE, (self._name, partition))).fetchone()
            found[0] = int(row[0]) if row else 0

        await self._surely(ask)
        return found[0]

    async def run(
        self, stream: Stream, effect: Effect, *, batch_events: int = 200, linger_s: float = 0.05
    ) -> None:
        """Let every event have its effect once, for as long as the stream lasts.

        Events that are there together share a transaction, up to `batch_events`. What `effect`
        raises ends this; its transaction never was, and its events come again.
        """
        async for batch in batches(stream, batch_events, linger_s):
            await self.take(batch, effect)
            await commit(stream, batch)

    async def take(self, batch: Sequence[Event], effect: Effect) -> int:
        """One transaction; gives how many events were new. Safe to repeat."""
        fresh_count = [0]

        async def apply(connection: Connection) -> None:
            fresh_count[0] = 0
            lanes: dict[int, list[Event]] = {}
            for one in batch:
                lanes.setdefault(one.partition, []).append(one)
            # Always in this order, so that two members never wait for each other.
            for partition in sorted(lanes):
                fresh_count[0] += await self._lane(connection, partition, lanes[partition], effect)

        await self._surely(apply)
        return fresh_count[0]

    async def _lane(
        self, connection: Connection, partition: int, events: list[Event], effect: Effect
    ) -> int:
        key = (self._name, partition)
        await connection.execute(BEGIN, key)
        row = await (await connection.execute(LOCK, key)).fetchone()
        assert row is not None
        before = place = int(row[0])
        fresh_count = 0
        for one in events:
            if one.position > place:
                await effect(connection, one)
                place, fresh_count = one.position, fresh_count + 1
        if place != before:
            await connection.execute(MOVE, (place, *key))
        return fresh_count

    async def _surely(self, work: Callable[[Connection], Awaitable[None]]) -> None:
        """Do `work` in a transaction, again on a new connection when the database was away.

        Whether a commit that broke off came to be need not be known: the second time, the place
        tells it.
        """
        patience = Patience(f"the database of sink {self._name}", self._patience_s)
        while True:
            try:
                if self._connection is None:
                    self._connection = await psycopg.AsyncConnection.connect(
                        self._url, autocommit=True, connect_timeout=CONNECT_S
                    )
                async with self._connection.transaction():
                    await work(self._connection)
                return
            except GONE as gone:
                await self._drop()
                await patience.wait(gone)

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close()
            except psycopg.Error:
                return
