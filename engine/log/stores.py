"""Which store a URL means. PostgreSQL's client is imported where one is asked for."""

from __future__ import annotations

from urllib.parse import urlsplit

from engine.log.errors import LogUnavailable
from engine.log.sqlite_store import SqliteStore
from engine.log.store import Store, sqlite_path


def open_store(url: str, *, read_only: bool = False) -> Store:
    """A connection of its own to the store at `url`. Threads do not share a store."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return SqliteStore(sqlite_path(url), read_only=read_only)
    if parts.scheme in ("postgres", "postgresql"):
        from engine.log.postgres_store import PostgresStore

        return PostgresStore(url, read_only=read_only)
    raise LogUnavailable(
        f"{parts.scheme or url!r} is no kind of log: use sqlite:/// or postgres://"
    )
