"""The log and its history, opened for reading, also while a server writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from engine.clock import SystemClock
from engine.engine import load
from engine.history import History
from engine.log import Log
from sagastack.settings import Settings


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[Log, History]]:
    load("aggregates", "projections", "engine.decisions", "engine.sagas")
    log = await Log.open(settings.store_url, now_ms=SystemClock().now_ms, read_only=True)
    try:
        yield log, History(log, settings.home / "checkpoints")
    finally:
        await log.close()
