"""The log and its history, opened for reading, also while a server writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aggregates.errors import NotFound
from engine.clock import SystemClock
from engine.history import History
from engine.log import Log
from engine.log.store import sqlite_path
from engine.nouns import load
from sagastack.settings import Settings


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[Log, History]]:
    """`NotFound` where there is no log; the store decides whether it may be read."""
    load("aggregates", "projections", "engine.decisions", "engine.sagas")
    url = settings.store_url
    _there_is(url)
    log = await Log.open(url, now_ms=SystemClock().now_ms, read_only=True)
    try:
        yield log, History(log, settings.home / "checkpoints")
    finally:
        await log.close()


def _there_is(url: str) -> None:
    if url.startswith("sqlite:") and not Path(sqlite_path(url)).exists():
        raise NotFound(
            f"there is no log at {sqlite_path(url)}: name the data folder of a cloud "
            "(sagastack --home DIR ...), or its log (--store URL)"
        )
