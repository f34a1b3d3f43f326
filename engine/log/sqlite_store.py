"""Rows in one SQLite file, by the `eventsourcing` library. One process writes it: see `lock.py`.

Two traps are closed here: a build of SQLite may default to less than a full sync, so that is set
by hand, and the library's connections keep no statement.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any
from urllib.parse import quote
from uuid import UUID

import msgspec
from eventsourcing.persistence import IntegrityError, InterfaceError, PersistenceError
from eventsourcing.sqlite import (
    SQLiteApplicationRecorder,
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteDatastore,
)

from engine.log.store import ACTION, HEAD_BYTES, Mark, StoreDown, Turn, told
from engine.log.unit import Outline, Selection, Stored

LOCK_TIMEOUT_S = 2
# What was committed is moved from the write-ahead log into the file after so many pages (32 MiB):
# a page that many commits wrote to is moved once. After a crash they are read through once.
MOVED_PAGES = 8_000
# One for each power of two of rows in a commit, and those that read.
KEPT_STATEMENTS = 32
BEHIND = "SELECT rowid, * FROM stored_events WHERE rowid>? AND rowid<=? ORDER BY rowid LIMIT ?"
# What each row of a text begins with stands between the rows, and what is around them all is left
# out: to join a piece to a row, or to the text, costs as much as to read that.
BEGINS = '{"t":"'
ROW = """topic || '","p":' || rowid || ',"s":"' || originator_id
    || '","n":' || originator_version || ',' || substr(state, 2)"""
JOINED = (
    f"SELECT CAST(group_concat({ROW}, ',{BEGINS}') AS BLOB)"
    " FROM stored_events WHERE rowid>? AND rowid<=?"
)
LAST = 2**63 - 1
NOT_OURS = (
    "SQLite reads no log in a folder that it may not write to: do this as who owns it, or on a "
    "copy of log.db, and of log.db-wal where there is one (--store sqlite:///COPY)"
)
ROWS_AT_ONCE = 512


class DurablePool(SQLiteConnectionPool):
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
            made.execute("PRAGMA journal_mode=WAL")
            made.execute("PRAGMA synchronous=FULL")
            made.execute(f"PRAGMA wal_autocheckpoint={MOVED_PAGES}")
        except sqlite3.Error as wrong:
            raise InterfaceError(wrong) from wrong
        return SQLiteConnection(made, max_age=None)


@cache
def _insert_of(count: int) -> str:
    """Insert that many rows; those without a position are left out.

    A clash undoes the whole turn. Else SQLite would copy each page that it is about to change, so
    as to be able to take this one statement back.
    """
    rows = ",".join(["(?,?,?,?,?)"] * count)
    columns = "rowid, originator_id, originator_version, topic, state"
    kept = f"SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL"
    return f"INSERT OR ROLLBACK INTO stored_events ({columns}) {kept}"


@cache
def _of(selected: Selection) -> str:
    """The rows of a selected, as a condition."""
    among = "NOT IN" if selected.rest else "IN"
    of_topics = f"topic {among} ({','.join('?' * len(selected.topics))})"
    acted = f" OR instr(substr(state, 1, {HEAD_BYTES}), ?)" if selected.acted else ""
    return f" AND ({of_topics}{acted})"


def _stored(rows: Sequence[tuple[int, str, int, str, bytes]]) -> list[Stored]:
    """Rows as they are told. All ids are made in one call: one by one costs more than reading."""
    if not rows:
        return []
    positions, streams, versions, topics, states = zip(*rows, strict=True)
    ids = msgspec.convert(streams, list[UUID])
    return list(map(Stored._make, zip(positions, ids, versions, topics, states, strict=True)))


@contextmanager
def _translated() -> Iterator[None]:
    """Say SQLite's errors in the library's words."""
    try:
        yield
    except sqlite3.IntegrityError as clash:
        raise IntegrityError(clash) from clash
    except sqlite3.Error as wrong:
        raise PersistenceError(wrong) from wrong


class SqliteTurn:
    """A commit, made when its block ends. Nobody else writes, so only that needs a transaction.

    One statement of all of its rows is one by itself, and all that the disk is asked: each call
    gives the interpreter away, and has to wait for it afterwards. Statements are of a power of two
    of rows, so that few are prepared.
    """

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor
        self._rows: Sequence[Stored] = ()

    def missed(self, after: int, limit: int) -> list[Stored]:
        return _stored(self._cursor.execute(BEHIND, (after, LAST, limit)).fetchall())

    def head(self, stream: UUID) -> int:
        asked = "SELECT max(originator_version) FROM stored_events WHERE originator_id=?"
        return int(self._cursor.execute(asked, (stream.hex,)).fetchone()[0] or 0)

    def marks(self, streams: Sequence[UUID]) -> list[Mark]:
        """Nobody else writes, so the writer knows all of them."""
        return []

    def insert(self, rows: Sequence[Stored], marks: Sequence[Mark]) -> None:
        self._rows = rows

    def commit(self) -> None:
        rows = self._rows
        if len(rows) <= ROWS_AT_ONCE:
            self._write(rows)
            return
        with self._cursor.connection:
            self._cursor.execute("BEGIN")
            for at in range(0, len(rows), ROWS_AT_ONCE):
                self._write(rows[at : at + ROWS_AT_ONCE])

    def _write(self, rows: Sequence[Stored]) -> None:
        if not rows:
            return
        whole = 1 << (len(rows) - 1).bit_length()
        values: list[Any] = [None] * (5 * whole)
        positions, streams, *others = zip(*rows, strict=True)
        columns = (positions, [stream.hex for stream in streams], *others)
        for place, column in enumerate(columns):
            values[place : 5 * len(rows) : 5] = column
        self._cursor.execute(_insert_of(whole), values)


class SqliteStore:
    """One file in WAL mode; the positions are its row ids."""

    shared = False

    def __init__(self, path: str, *, read_only: bool = False) -> None:
        self.name = path
        self._uri = f"file:{quote(path)}?mode={'ro' if read_only else 'rwc'}"
        self._recorder: SQLiteApplicationRecorder | None = None
        if not read_only:
            with told(path):
                self._open().create_table()
        elif not os.path.exists(path) or not os.path.getsize(path):
            raise StoreDown(
                f"there is no log at {path}: name the data folder of a cloud (sagastack --home "
                "DIR ...), or its log (--store URL)"
            )

    def _open(self) -> SQLiteApplicationRecorder:
        if self._recorder is None:
            datastore = SQLiteDatastore(self._uri, pool_size=1, max_overflow=0)
            datastore.pool = DurablePool(
                db_name=self._uri, lock_timeout=LOCK_TIMEOUT_S, pool_size=1, max_overflow=0
            )
            self._recorder = SQLiteApplicationRecorder(datastore)
        return self._recorder

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        datastore = self._open().datastore
        with told(self.name), datastore.get_connection(commit=True) as connection, _translated():
            turn = SqliteTurn(connection.cursor().sqlite_cursor)
            yield turn
            turn.commit()

    def end(self) -> int:
        return int(self._select("SELECT max(rowid) FROM stored_events", ())[0][0] or 0)

    def rows(self, after: int, until: int | None, limit: int) -> list[Stored]:
        found = self._select(BEHIND, (after, LAST if until is None else until, limit))
        return _stored(found)

    def joined(
        self, after: int, until: int | None, limit: int, selected: Selection | None = None
    ) -> bytes:
        """Made by SQLite alone, in one step: meanwhile the interpreter does something else."""
        last = after + limit if until is None else min(after + limit, until)
        statement, values = JOINED, tuple[Any, ...]((after, last))
        if selected is not None:
            statement += _of(selected)
            values += (*selected.topics, *((ACTION,) if selected.acted else ()))
        found: bytes | None = self._select(statement, values)[0][0]
        return b"[%s%s]" % (BEGINS.encode(), found) if found else b""

    def outline(self, topics: Sequence[str], after: int, until: int) -> list[Outline]:
        statement = (
            "SELECT rowid, originator_id, topic FROM stored_events WHERE rowid>? AND rowid<=?"
            f"{_of(Selection(tuple(topics)))} ORDER BY rowid"
        )
        found = self._select(statement, (after, until, *topics))
        ids = msgspec.convert([stream for _, stream, _ in found], list[UUID])
        pairs = zip(found, ids, strict=True)
        return [Outline(at, stream, topic) for (at, _, topic), stream in pairs]

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
        try:
            with told(self.name), self._open().datastore.transaction(commit=False) as cursor:
                cursor.sqlite_cursor.row_factory = None
                cursor.execute(statement, values)
                return list(cursor.fetchall())
        except StoreDown as down:
            if os.access(os.path.dirname(self.name), os.W_OK, effective_ids=True):
                raise
            raise StoreDown(f"{down}; {NOT_OURS}") from down

    def reset(self) -> None:
        if self._recorder is not None:
            datastore, self._recorder = self._recorder.datastore, None
            with suppress(PersistenceError, sqlite3.Error):
                datastore.close()

    def close(self) -> None:
        self.reset()
