"""Receives a file that somebody sends: as it comes, to the disk, and no more than is allowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from aggregates.errors import DomainError
from drivers.contract.errors import DriverError
from engine.image_fetch import sink_to

# What a form has around its file, at most.
FORM_BYTES = 64 * 1024


async def receive(
    partial: Path,
    chunks: AsyncIterator[bytes],
    accept: Callable[[], Awaitable[Any]],
    *,
    sent_bytes: int,
    bytes_max: int,
) -> str:
    """Write what comes, then let it be accepted. Answers with why not; nothing is left then."""
    accepted = False
    try:
        async with sink_to(partial, _quiet, bytes_max) as sink:
            sink.room(sent_bytes, FORM_BYTES)
            async for chunk in chunks:
                await sink.write(chunk)
            sink.close()
        await accept()
        accepted = True
        return ""
    except (DomainError, DriverError) as refused:
        return str(refused)
    finally:
        if not accepted:
            await asyncio.to_thread(partial.unlink, missing_ok=True)


async def _quiet(percent: int, text: str) -> None:
    """Nobody watches an upload but who sends it."""
