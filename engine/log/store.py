"""Rows on disk: the only module that calls the `eventsourcing` library. Everything here blocks.

A store inserts a batch of rows in one durable transaction or not at all, and reads them back by
position or by stream. Two traps of the library are closed here. Its PostgreSQL recorder repeats a
failed insert by itself, which would report a commit that did succeed as a clash: the methods are
called unwrapped. And a SQLite build may default to less than a full sync: it is set by hand.
"""

from __future__ import annotations

import inspect
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from typing import Any, Protocol
from urllib.parse import parse_qs, quote, unquote, urlsplit
from uuid import UUID

from eventsourcing.persistence import (
    IntegrityError,
    InterfaceError,
    PersistenceError,
    StoredEvent,
)
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from eventsourcing.sqlite import (
    SQLiteApplicationRecorder,
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteDatastore,
)
from psycopg.rows import tuple_row

from engine.log.errors import LogUnavailable
from engine.log.unit import Stored

LOCK_TIMEOUT_S = 2
# One for each power of two of rows in a commit, and those that read.
KEPT_STATEMENTS = 32
CONNECT_TIMEOUT_S = 3.0


class Clash(Exception):
    """A row with this position, or stream and version, is there already. Nothing is written."""


class StoreDown(Exception):
    """The store could not be asked, or did not answer. What was being written may be there."""


class Store(Protocol):
    """`gapless` says that positions have no holes. Every method raises `StoreDown`."""

    gapless: bool
    name: str

    def insert(self, rows: Sequence[Stored]) -> list[int]:
        """Write all rows durably; the positions they got. Those given are wishes."""

    def head(self, stream: UUID) -> int:
        """The last version of a stream; 0 when there is none."""

    def end(self) -> int:
        """The position of the last row; 0 when there is none."""

    def rows(self, after: int, until: int | None, limit: int) -> list[Stored]:
        """Rows in log order behind `after`, up to and including `until`."""

    def stream(self, stream: UUID, after: int) -> list[Stored]:
        """One stream's rows behind a version. Their positions are not known here and say 0."""

    def reset(self) -> None:
        """Forget a connection that failed; the next call makes a new one."""

    def close(self) -> None: ...


def sqlite_path(url: str) -> str:
    """The file behind `sqlite:///abs/path`."""
    return "/" + unquote(urlsplit(url).path).lstrip("/")


def open_store(url: str, *, read_only: bool = False) -> Store:
    """A connection of its own to the store at `url`. Threads do not share a store."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return SqliteStore(sqlite_path(url), read_only=read_only)
    if parts.scheme in ("postgres", "postgresql"):
        return PostgresStore(url, read_only=read_only)
    raise LogUnavailable(f"{parts.scheme!r} is no kind of log: use sqlite:/// or postgres://")


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Say the library's errors in the two words of this module."""
    try:
        yield
    except IntegrityError as clash:
        raise Clash(str(clash)) from clash
    except PersistenceError as down:
        raise StoreDown(f"{name}: {down}") from down


class _DurablePool(SQLiteConnectionPool):
    """Connections whose commit returns after the disk has it, and that keep their statements."""

    def _create_connection(self) -> SQLiteConnection:
        try:
            made = sqlite3.connect(
                self.db_name,
                uri=True,
                check_same_thread=False,
                isolation_level=None,
                cached_statements=KEPT_STATEMENTS,
                timeout=self.lock_timeout or LOCK_TIMEOUT_S,
            )
        except sqlite3.Error as wrong:
            raise InterfaceError(wrong) from wrong
        made.execute("PRAGMA journal_mode=WAL")
        made.execute("PRAGMA synchronous=FULL")
        return SQLiteConnection(made, max_age=None)


def _powers(count: int) -> Iterator[int]:
    """The powers of two that `count` is made of, the largest first."""
    while count:
        yield (power := 1 << (count.bit_length() - 1))
        count -= power


@cache
def _insert_of(count: int) -> str:
    rows = ",".join(["(?,?,?,?,?)"] * count)
    columns = "rowid, originator_id, originator_version, topic, state"
    return f"INSERT INTO stored_events ({columns}) VALUES {rows}"


# A stream's rows lie close together, and making a UUID costs as much as reading its row.
_uuid = lru_cache(maxsize=16_384)(UUID)


class SqliteStore:
    """One file in WAL mode. Positions are row ids and, as nothing is ever deleted, without gaps."""

    gapless = True

    def __init__(self, path: str, *, read_only: bool = False) -> None:
        self.name = path
        self._uri = f"file:{quote(path)}?mode={'ro' if read_only else 'rwc'}"
        self._recorder: SQLiteApplicationRecorder | None = None
        if not read_only:
            with _told(path):
                self._open().create_table()

    def _open(self) -> SQLiteApplicationRecorder:
        if self._recorder is None:
            datastore = SQLiteDatastore(self._uri, pool_size=1, max_overflow=0)
            datastore.pool = _DurablePool(
                db_name=self._uri, lock_timeout=LOCK_TIMEOUT_S, pool_size=1, max_overflow=0
            )
            self._recorder = SQLiteApplicationRecorder(datastore)
        return self._recorder

    def insert(self, rows: Sequence[Stored]) -> list[int]:
        """Few statements of many rows: each one gives the interpreter away, and a thread beside an
        event loop that never rests waits 5 ms to have it back."""
        values = [one for row in rows for one in (row[0], row[1].hex, row[2], row[3], row[4])]
        at = 0
        with _told(self.name), self._open().datastore.transaction(commit=True) as cursor:
            for count in _powers(len(rows)):
                cursor.execute(_insert_of(count), values[at : (at := at + 5 * count)])
        return [row.position for row in rows]

    def head(self, stream: UUID) -> int:
        return int(
            self._select(
                "SELECT max(originator_version) FROM stored_events WHERE originator_id=?",
                (stream.hex,),
            )[0][0]
            or 0
        )

    def end(self) -> int:
        return int(self._select("SELECT max(rowid) FROM stored_events", ())[0][0] or 0)

    def rows(self, after: int, until: int | None, limit: int) -> list[Stored]:
        found = self._select(
            "SELECT rowid, * FROM stored_events WHERE rowid>? AND rowid<=? ORDER BY rowid LIMIT ?",
            (after, 2**63 - 1 if until is None else until, limit),
        )
        return [Stored(p, _uuid(s), v, topic, state) for p, s, v, topic, state in found]

    def stream(self, stream: UUID, after: int) -> list[Stored]:
        found = self._select(
            "SELECT rowid, * FROM stored_events WHERE originator_id=? AND originator_version>?"
            " ORDER BY originator_version",
            (stream.hex, after),
        )
        return [Stored(p, stream, v, topic, state) for p, _, v, topic, state in found]

    def synchronous(self) -> tuple[int, str]:
        """How durable a commit of this connection is: the two pragmas that decide it."""
        level = self._select("PRAGMA synchronous", ())[0][0]
        return int(level), str(self._select("PRAGMA journal_mode", ())[0][0])

    def _select(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        with _told(self.name), self._open().datastore.transaction(commit=False) as cursor:
            cursor.sqlite_cursor.row_factory = None
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    def reset(self) -> None:
        if self._recorder is not None:
            datastore, self._recorder = self._recorder.datastore, None
            with suppress(PersistenceError, sqlite3.Error):
                datastore.close()

    def close(self) -> None:
        self.reset()


class PostgresStore:
    """A table in PostgreSQL. A rolled back insert leaves a gap in the positions, never a disorder.

    The library locks the table for each insert, so commits happen in the order of the positions.
    """

    gapless = False

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self._parts = urlsplit(url)
        parts, asked = self._parts, parse_qs(self._parts.query)
        self._host = parts.hostname or asked.get("host", [""])[0]
        self.name = f"postgres at {self._host}:{parts.port or 5432}{parts.path}"
        self._recorder: PostgresApplicationRecorder | None = None
        self._insert = inspect.unwrap(PostgresApplicationRecorder.insert_events)
        if not read_only:
            with _told(self.name):
                self._open().create_table()

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
                pre_ping=True,
            )
            try:
                self._recorder = PostgresApplicationRecorder(datastore)
            except PersistenceError:
                datastore.close()
                raise
        return self._recorder

    def insert(self, rows: Sequence[Stored]) -> list[int]:
        events = [StoredEvent(row[1], row[2], row[3], row[4]) for row in rows]
        with _told(self.name):
            return list(self._insert(self._open(), events))

    def head(self, stream: UUID) -> int:
        found = self._select("max(originator_version)", "WHERE originator_id=%s", (stream,))
        return int(found[0][0] or 0)

    def end(self) -> int:
        return int(self._select("max(notification_id)", "", ())[0][0] or 0)

    def rows(self, after: int, until: int | None, limit: int) -> list[Stored]:
        return self._stored(
            "WHERE notification_id>%s AND notification_id<=%s ORDER BY notification_id LIMIT %s",
            (after, 2**63 - 1 if until is None else until, limit),
        )

    def stream(self, stream: UUID, after: int) -> list[Stored]:
        return self._stored(
            "WHERE originator_id=%s AND originator_version>%s ORDER BY originator_version",
            (stream, after),
        )

    def _stored(self, where: str, values: tuple[Any, ...]) -> list[Stored]:
        columns = "notification_id, originator_id, originator_version, topic, state"
        return [Stored(*row) for row in self._select(columns, where, values)]

    def _select(self, what: str, where: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        statement = f"SELECT {what} FROM stored_events {where}".encode()
        with _told(self.name), self._open().datastore.get_connection() as connection:
            with connection.cursor(row_factory=tuple_row) as cursor:
                cursor.execute(statement, values, prepare=True)
                found: list[tuple[Any, ...]] = cursor.fetchall()
                return found

    def reset(self) -> None:
        """Leave the pool too: it would wait longer and longer before it connects again."""
        if self._recorder is not None:
            datastore, self._recorder = self._recorder.datastore, None
            datastore.close()

    def close(self) -> None:
        self.reset()
