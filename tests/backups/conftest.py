"""A small sealed cloud with secrets, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.backups.past import Past
from tests.peers.postgres import postgres, postgres_cluster

__all__ = ["postgres", "postgres_cluster"]


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Callable[[str, Path], str]:
    """The URL of an empty store of a kind; the path is for a file."""

    def made(kind: str, path: Path) -> str:
        if kind == "sqlite":
            return f"sqlite://{path}"
        return str(request.getfixturevalue("postgres")())

    return made


@pytest.fixture(params=["sqlite", "postgres"])
async def past(
    request: pytest.FixtureRequest, tmp_path: Path, database: Callable[[str, Path], str]
) -> AsyncIterator[Past]:
    """30 commits under seals, 3 behind the last seal."""
    home = tmp_path / "home"
    home.mkdir()
    one = await Past.open(database(request.param, home / "log.db"), home)
    await one.live(30)
    await one.seal()
    await one.live(3)
    yield one
    await one.log.close()
