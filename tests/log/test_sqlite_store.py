"""A commit to the SQLite file: all of its rows, or none."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest

from engine.log.sqlite_store import ROWS_AT_ONCE, SqliteStore
from engine.log.store import Clash
from engine.log.unit import Stored


def row(position: int, stream: UUID | None = None, version: int = 1) -> Stored:
    return Stored(position, stream or uuid4(), version, "toy.made", b'{"at":1,"d":{}}')


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(str(tmp_path / "log.db"))


def commit(store: SqliteStore, rows: list[Stored]) -> None:
    with store.turn() as turn:
        turn.insert(rows, ())


@pytest.mark.parametrize("count", [1, 2, 3, 64, ROWS_AT_ONCE, ROWS_AT_ONCE + 1])
def test_a_commit_is_read_back_as_it_was(store: SqliteStore, count: int) -> None:
    rows = [row(position) for position in range(1, count + 1)]
    commit(store, rows)
    assert store.rows(0, None, 2 * count) == rows


@pytest.mark.parametrize("before", [0, 1, 6, ROWS_AT_ONCE])
@pytest.mark.parametrize("same", ["position", "version"])
def test_of_a_commit_that_clashes_nothing_is_left(
    store: SqliteStore, before: int, same: str
) -> None:
    """However many of its rows were well, in the same statement or in one before it."""
    there = [row(1), row(2)]
    commit(store, there)
    well = [row(position) for position in range(3, 3 + before)]
    taken = row(2) if same == "position" else row(3 + before, there[0].stream)
    with pytest.raises(Clash):
        commit(store, [*well, taken, row(4 + before)])
    assert store.rows(0, None, 2_000) == there
    again = [*well, row(3 + before, there[0].stream, 2)]
    commit(store, again)
    assert store.rows(0, None, 2_000) == there + again
