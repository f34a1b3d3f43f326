"""Into what a log is restored: an empty store, all rows at once or none of them.

SQLite is built beside its place and renamed into it. PostgreSQL takes the rows in one transaction
under the lock that writers take, so a controller that starts meanwhile waits, and then finds a log.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from engine.log import LogUnavailable, Stored
from engine.log.lock import FileLock
from engine.log.store import StoreDown, sqlite_path
from engine.log.stores import open_store
from engine.private_files import sync_folder
from sagastack.backups.lines import BackupError

# One statement writes so many rows, and leaves the interpreter to other threads meanwhile.
BATCH = 5_000
INSERT = """INSERT INTO stored_events (rowid, originator_id, originator_version, topic, state)
    SELECT value->>0, replace(value->>1, '-', ''), value->>2, value->>3,
        substr(?2, value->>4, value->>5)
    FROM json_each(?1)"""
CONNECT_TIMEOUT_S = 5
LOCK_TIMEOUT_S = 10
REMAINS = ("sagastack_vault", "sagastack_seals")


class Target(Protocol):
    """`name` is for people and holds no password. `home` is the data folder that it suggests."""

    @property
    def name(self) -> str: ...

    @property
    def home(self) -> Path | None: ...

    def end(self) -> int:
        """The last position in it; 0 when it is empty or not there yet."""

    def write(self, rows: Iterable[Stored]) -> None:
        """All rows, durably, or none. BackupError when something is in it already."""


def target(url: str) -> Target:
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return SqliteTarget(Path(sqlite_path(url)))
    if parts.scheme in ("postgres", "postgresql"):
        return PostgresTarget(url)
    raise BackupError(f"{parts.scheme or url!r} is no kind of log: use sqlite:/// or postgres://")


def _end(url: str) -> int:
    try:
        store = open_store(url)
        try:
            return store.end()
        finally:
            store.close()
    except StoreDown as down:
        raise LogUnavailable(f"the store cannot be opened: {down}") from down


class SqliteTarget:
    def __init__(self, path: Path) -> None:
        self.path, self.name, self.home = path, str(path), path.parent

    def end(self) -> int:
        return _end(f"sqlite:///{self.path}") if self.path.exists() else 0

    def write(self, rows: Iterable[Stored]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path.with_name(f"{self.path.name}.lock"))
        try:
            if self.end():
                raise BackupError(f"{self.path} holds a log: restore into an empty store only")
            self._build(rows)
        finally:
            lock.release()

    def _build(self, rows: Iterable[Stored]) -> None:
        built = self.path.with_name(f"{self.path.name}.restoring")
        for old in (built, *_beside(built), self.path, *_beside(self.path)):
            old.unlink(missing_ok=True)
        os.close(os.open(built, os.O_RDWR | os.O_CREAT, 0o600))
        _end(f"sqlite:///{built}")  # It makes the tables.
        try:
            with closing(sqlite3.connect(built, isolation_level=None)) as database:
                # A crash leaves a file that nobody takes for a log, so none of it need be durable.
                database.execute("PRAGMA journal_mode=OFF")
                database.execute("PRAGMA synchronous=OFF")
                database.execute("BEGIN")
                for batch in _batches(rows):
                    database.execute(INSERT, _packed(batch))
                database.execute("COMMIT")
                # As every log is; a reader cannot set it.
                database.execute("PRAGMA journal_mode=WAL")
        except sqlite3.Error as wrong:
            raise LogUnavailable(f"{built} could not be written: {wrong}") from wrong
        descriptor = os.open(built, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        built.rename(self.path)
        sync_folder(self.path.parent)


def _packed(rows: Sequence[Stored]) -> tuple[str, bytes]:
    """What `INSERT` takes: what is told of each row and where its state lies, and all states."""
    positions, streams, versions, topics, states = zip(*rows, strict=True)
    sizes = list(map(len, states))
    begins = accumulate(sizes[:-1], initial=1)
    told = list(zip(positions, streams, versions, topics, begins, sizes, strict=True))
    return orjson.dumps(told).decode(), b"".join(states)


def _beside(path: Path) -> list[Path]:
    """What SQLite keeps beside a database while it is open."""
    return [path.with_name(f"{path.name}{end}") for end in ("-wal", "-shm", "-journal")]


class PostgresTarget:
    def __init__(self, url: str) -> None:
        self._url, self.home = url, None
        known = conninfo_to_dict(url)
        self._into = make_conninfo(
            url,
            dbname=str(known.get("dbname") or "sagastack"),
            connect_timeout=CONNECT_TIMEOUT_S,
            options=f"-c lock_timeout={LOCK_TIMEOUT_S}s",
        )
        self.name = f"postgres at {known.get('host', '')}/{known.get('dbname') or 'sagastack'}"

    def end(self) -> int:
        return _end(self._url)

    def write(self, rows: Iterable[Stored]) -> None:
        self.end()  # It makes the tables.
        try:
            with psycopg.connect(self._into) as connection, connection.cursor() as cursor:
                cursor.execute("LOCK TABLE stored_events IN EXCLUSIVE MODE")
                cursor.execute("SELECT count(*) FROM (SELECT 1 FROM stored_events LIMIT 1) AS one")
                found = cursor.fetchone()
                if found is None or found[0]:
                    raise BackupError(f"{self.name} holds a log: restore into an empty store only")
                _refuse_remains(cursor, self.name)
                copy = sql.SQL(
                    "COPY stored_events (notification_id, originator_id, originator_version,"
                    " topic, state) FROM STDIN (FORMAT BINARY)"
                )
                last = 0
                with cursor.copy(copy) as copying:
                    copying.set_types(["int8", "uuid", "int8", "text", "bytea"])
                    for row in rows:
                        copying.write_row(row)
                        last = row.position
                # The column's own counter goes on behind what was given by hand.
                cursor.execute(
                    "SELECT setval(pg_get_serial_sequence('stored_events', 'notification_id'), %s)"
                    " WHERE pg_get_serial_sequence('stored_events', 'notification_id') IS NOT NULL",
                    (last,),
                )
        except psycopg.Error as wrong:
            raise LogUnavailable(f"{self.name} could not be written: {wrong}") from wrong


def _refuse_remains(cursor: psycopg.Cursor[Any], name: str) -> None:
    """Secrets and seals of a former cloud would stand in for those of the backup."""
    for table in REMAINS:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (table,))
        there = cursor.fetchone()
        if there is None or not there[0]:
            continue
        cursor.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(table)))
        if cursor.fetchone() is not None:
            raise BackupError(f"{name} holds {table} of a former cloud: take an empty database")


def _batches(rows: Iterable[Stored]) -> Iterator[list[Stored]]:
    following = iter(rows)
    while batch := list(islice(following, BATCH)):
        yield batch
