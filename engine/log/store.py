"""What holds the rows of the log: the words that both kinds of store are asked in. All blocks.

A store commits a batch of rows in one durable transaction or not at all, and reads them back by
position or by stream. Positions are given by the writer and have no holes: a commit is a turn in
which nobody else writes, so the writer knows the end of the log while it lasts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple, Protocol
from urllib.parse import unquote, urlsplit
from uuid import UUID

from eventsourcing.persistence import IntegrityError, PersistenceError

from engine.log.unit import Outline, Selection, Stored


class Clash(Exception):
    """A row with this position, or stream and version, is there already. Nothing is written."""


class StoreDown(Exception):
    """The store could not be asked, or did not answer. What was being written may be there."""


# What the state of a row that carries an action has in it, within so many bytes (see `codec`).
ACTION, HEAD_BYTES = b'"do":"', 192
# Marks further back than this are forgotten, and what was decided before them is decided again.
MARKS_KEPT = 1_000_000


def is_told(row: Stored, selected: Selection) -> bool:
    """What a store asks itself of a row."""
    of_topics = (row.topic in selected.topics) != selected.rest
    return of_topics or (selected.acted and ACTION in row.state[:HEAD_BYTES])


class Mark(NamedTuple):
    """Somebody's latest unit that relied on a stream without writing to it, by its last row."""

    stream: UUID
    writer: UUID
    position: int


class Turn(Protocol):
    """One commit under way. It is made durable when its block ends, or undone by an exception."""

    def missed(self, after: int, limit: int) -> list[Stored]:
        """Rows behind a position: what others have written."""

    def head(self, stream: UUID) -> int:
        """The last version of a stream; 0 when there is none."""

    def marks(self, streams: Sequence[UUID]) -> list[Mark]:
        """Who has relied on these streams, and when last."""

    def insert(self, rows: Sequence[Stored], marks: Sequence[Mark]) -> None:
        """Write all rows at their positions, and note the marks."""


class Store(Protocol):
    """`shared` says that others may write to it as well. Every method raises `StoreDown`."""

    shared: bool
    name: str

    def turn(self) -> AbstractContextManager[Turn]:
        """Begin a commit: nobody else writes until the block ends. Raises `Clash` as well."""

    def end(self) -> int:
        """The position of the last row; 0 when there is none."""

    def rows(self, after: int, until: int | None, limit: int) -> list[Stored]:
        """Rows in log order behind `after`, up to and including `until`."""

    def joined(
        self, after: int, until: int | None, limit: int, selected: Selection | None = None
    ) -> bytes:
        """The rows of the next `limit` positions as the text that `past` decodes, if any.

        With `selected`, only those.
        """

    def outline(self, topics: Sequence[str], after: int, until: int) -> list[Outline]:
        """The rows of some topics behind `after`, up to and including `until`, without states."""

    def stream(self, stream: UUID, after: int) -> list[Stored]:
        """One stream's rows behind a version."""

    def reset(self) -> None:
        """Forget a connection that failed; the next call makes a new one."""

    def close(self) -> None: ...


def sqlite_path(url: str) -> str:
    """The file behind `sqlite:///abs/path`."""
    return "/" + unquote(urlsplit(url).path).lstrip("/")


@contextmanager
def told(name: str) -> Iterator[None]:
    """Say the library's errors in the two words of this module."""
    try:
        yield
    except IntegrityError as clash:
        raise Clash(str(clash)) from clash
    except PersistenceError as down:
        raise StoreDown(f"{name}: {down}") from down
