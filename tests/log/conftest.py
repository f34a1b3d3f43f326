"""Every test that takes `log` or `url` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.log import Log


class Clock:
    """A wall clock that tests set."""

    def __init__(self) -> None:
        self.ms = 1_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite://{tmp_path}/log.db"
    return str(request.getfixturevalue("postgres")())


@pytest.fixture
async def log(url: str, clock: Clock) -> AsyncIterator[Log]:
    opened = await Log.open(url, now_ms=clock)
    yield opened
    await opened.close()
