"""Rows in a table of PostgreSQL, by the `eventsourcing` library. Several controllers write to it.

A turn locks the table, so commits happen in the order of their positions, and whoever reads never
sees a later row before an earlier one. Who stops with the table locked (a paused process, a cut
network) is thrown out by the server after `IDLE_S`.

The library's own insert repeats a failed one by itself, which would report a commit that did
succeed as a clash, and takes its positions from a sequence, which leaves holes: it is not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

import psycopg
from eventsourcing.persistence import IntegrityError, PersistenceError
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.rows import tuple_row

from engine.log.past import join
from engine.log.store import ACTION, HEAD_BYTES, MARKS_KEPT, Mark, Turn, told
from engine.log.unit import Outline, Selection, Stored

CONNECT_TIMEOUT_S = 3.0
IDLE_S = 2.0
# A server that does not answer is as good as gone; the kernel gives up on it too.
ANSWER_MS = 10_000
COLUMNS = "notification_id, originator_id, originator_version, topic, state"
BEHIND = (
    f"SELECT {COLUMNS} FROM stored_events WHERE notification_id>%s AND notification_id<=%s"
    " ORDER BY notification_id LIMIT %s"
)
SELECTED = (
    f"SELECT {COLUMNS} FROM stored_events WHERE notification_id>%s AND notification_id<=%s"
    " AND (topic = ANY(%s) != %s"
    f" OR (%s AND position(%s in substr(state, 1, {HEAD_BYTES})) > 0))"
    " ORDER BY notification_id"
)
OUTLINE = (
    "SELECT notification_id, originator_id, topic FROM stored_events"
    " WHERE notification_id>%s AND notification_id<=%s AND topic = ANY(%s)"
    " ORDER BY notification_id"
)
HEAD = "SELECT max(originator_version) FROM stored_events WHERE originator_id=%s"
LAST = 2**63 - 1
# Three times as cheap as an INSERT of arrays, in the client as well.
INSERT = f"COPY stored_events ({COLUMNS}) FROM STDIN (FORMAT BINARY)"
TYPES = ("int8", "uuid", "int8", "text", "bytea")
# One question: the end is looked up when the table is ours, as each statement sees what is there.
BEGIN = (
    "BEGIN; LOCK TABLE stored_events IN EXCLUSIVE MODE;"
    " SELECT coalesce(max(notification_id), 0) FROM stored_events"
)
MARKS = """CREATE TABLE IF NOT EXISTS log_marks (
    stream uuid, writer uuid, position bigint NOT NULL, PRIMARY KEY (stream, writer))"""
# Each life of a controller leaves marks of its own.
FORGET = """DELETE FROM log_marks
    WHERE position <= (SELECT coalesce(max(notification_id), 0) FROM stored_events) - %s"""
MARKED = "SELECT stream, writer, position FROM log_marks WHERE stream = ANY(%s)"
MARK = (
    "INSERT INTO log_marks SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::bigint[])"
    " ON CONFLICT (stream, writer) DO UPDATE SET position = excluded.position"
)


class PostgresTurn:
    """A transaction that has locked the table, and knows where it ends."""

    def __init__(self, cursor: psycopg.Cursor[Any], end: int) -> None:
        self._cursor, self._end = cursor, end

    def missed(self, after: int, limit: int) -> list[Stored]:
        if after >= self._end:
            return []
        self._cursor.execute(BEHIND, (after, LAST, limit), prepare=True)
        return [Stored(*row) for row in self._cursor.fetchall()]

    def head(self, stream: UUID) -> int:
        self._cursor.execute(HEAD, (stream,), prepare=True)
        found: tuple[int | None] = self._cursor.fetchall()[0]
        return found[0] or 0

    def marks(self, streams: Sequence[UUID]) -> list[Mark]:
        self._cursor.execute(MARKED, (list(streams),), prepare=True)
        return [Mark(*row) for row in self._cursor.fetchall()]

    def insert(self, rows: Sequence[Stored], marks: Sequence[Mark]) -> None:
        with self._cursor.copy(INSERT) as copy:
            copy.set_types(TYPES)
            for row in rows:
                copy.write_row(row)
        if marks:
            self._cursor.execute(MARK, tuple(map(list, zip(*marks, strict=True))), prepare=True)


class PostgresStore:
    """The table behind one URL."""

    shared = True

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self._parts = urlsplit(url)
        parts, asked = self._parts, parse_qs(self._parts.query)
        self._host = parts.hostname or asked.get("host", [""])[0]
        self.name = f"postgres at {self._host}:{parts.port or 5432}{parts.path}"
        self._recorder: PostgresApplicationRecorder | None = None
        self._kept: psycopg.Connection[Any] | None = None
        if not read_only:
            with told(self.name):
                self._create()

    def _create(self) -> None:
        """Two controllers that begin at the same moment make the tables one after the other."""
        recorder = self._open()
        with recorder.datastore.get_connection() as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('sagastack tables'))")
            found = connection.execute("SELECT to_regclass('stored_events') AS there").fetchone()
            if found is None or found["there"] is None:
                recorder.create_table()
            connection.execute(MARKS)
            connection.execute(FORGET, (MARKS_KEPT,))

    def _open(self) -> PostgresApplicationRecorder:
        if self._recorder is None:
            parts = self._parts
            datastore = PostgresDatastore(
                dbname=parts.path.lstrip("/") or "sagastack",
                host=unquote(self._host),
                port=parts.port or 5432,
                user=unquote(parts.username or ""),
                password=unquote(parts.password or ""),
                connect_timeout=CONNECT_TIMEOUT_S,
                idle_in_transaction_session_timeout=IDLE_S,
                pre_ping=True,
                max_overflow=1,  # the tables are made while another connection keeps the lock
            )
            asked = datastore.pool.kwargs
            assert isinstance(asked, dict)
            asked["connect_timeout"] = int(CONNECT_TIMEOUT_S)
            asked["tcp_user_timeout"] = ANSWER_MS
            asked["options"] = f"-c statement_timeout={ANSWER_MS}"
            try:
                self._recorder = PostgresApplicationRecorder(datastore)
            except PersistenceError:
                datastore.close()
                raise
        return self._recorder

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        with told(self.name), _library_errors():
            connection = self._writing()
            try:
                end = _begun(connection)
                yield PostgresTurn(connection.cursor(row_factory=tuple_row, binary=True), end)
                connection.commit()
            except BaseException:
                with suppress(psycopg.Error):  # It is broken, and what was sent is undone.
                    connection.rollback()
                raise

    def _writing(self) -> psycopg.Connection[Any]:
        """A connection that is kept between turns: the pool would ask whether it lives each time.

        A turn on one that has died fails, and whoever writes tries again after `reset`.
        """
        if self._kept is None or self._kept.closed:
            datastore = self._open().datastore
            with datastore.get_connection():
                pass  # The pool is open now.
            self._kept = datastore.pool.getconn()
        return self._kept

    def end(self) -> int:
        return int(self._select("SELECT max(notification_id) FROM stored_events", ())[0][0] or 0)

    def rows(self, after: int, until: int | None, limit: int) -> list[Stored]:
        found = self._select(BEHIND, (after, LAST if until is None else until, limit))
        return [Stored(*row) for row in found]

    def joined(
        self, after: int, until: int | None, limit: int, selected: Selection | None = None
    ) -> bytes:
        if selected is None:
            found = self.rows(after, until, limit)
        else:
            last = after + limit if until is None else min(after + limit, until)
            topics, acted, rest = selected
            values = (after, last, list(topics), rest, acted, ACTION)
            found = [Stored(*row) for row in self._select(SELECTED, values)]
        return join(found) if found else b""

    def outline(self, topics: Sequence[str], after: int, until: int) -> list[Outline]:
        return [Outline(*row) for row in self._select(OUTLINE, (after, until, list(topics)))]

    def stream(self, stream: UUID, after: int) -> list[Stored]:
        found = self._select(
            f"SELECT {COLUMNS} FROM stored_events"
            " WHERE originator_id=%s AND originator_version>%s ORDER BY originator_version",
            (stream, after),
        )
        return [Stored(*row) for row in found]

    def _select(self, statement: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """By the connection that writes, if there is one and it lives; else by one of the pool."""
        if self._kept is not None:
            try:
                return _fetched(self._kept, statement, values)
            except psycopg.Error:
                self._kept.close()
                self._kept = None
        with told(self.name), self._open().datastore.get_connection() as connection:
            return _fetched(connection, statement, values)

    def reset(self) -> None:
        """Leave the pool too: it would wait longer and longer before it connects again."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None
        if self._recorder is not None:
            datastore, self._recorder = self._recorder.datastore, None
            datastore.close()

    def close(self) -> None:
        self.reset()


def _begun(connection: psycopg.Connection[Any]) -> int:
    """Begin a transaction that locks the table; where that ends."""
    cursor = connection.cursor(row_factory=tuple_row).execute(BEGIN)
    while cursor.nextset():
        pass
    end: tuple[int] = cursor.fetchall()[0]
    return end[0]


def _fetched(
    connection: psycopg.Connection[Any], statement: str, values: tuple[Any, ...]
) -> list[tuple[Any, ...]]:
    with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
        cursor.execute(statement.encode(), values, prepare=True)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


@contextmanager
def _library_errors() -> Iterator[None]:
    """Errors of a connection that is ours, in the words of the library that has the others."""
    try:
        yield
    except psycopg.errors.IntegrityError as clash:
        raise IntegrityError(str(clash)) from clash
    except psycopg.Error as down:
        raise PersistenceError(str(down)) from down
