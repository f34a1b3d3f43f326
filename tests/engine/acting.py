"""What toy steps are told to do, and how a test waits for what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

from engine.intents.saga import MendJob
from projections.finding import findings
from tests.sagas.rig import Rig

Script = dict[str, Callable[..., Any]]


def failing(*errors: Exception) -> Callable[..., Any]:
    """Raises these, one a call, and then succeeds."""
    left = list(errors)

    def do(run: Any) -> None:
        if left:
            raise left.pop(0)

    return do


def always(error: Exception) -> Callable[..., Any]:
    def do(run: Any) -> None:
        raise error

    return do


async def hang(run: Any) -> None:
    await asyncio.sleep(30)


async def mend(r: Rig, run_id: UUID, way: str) -> Any:
    await r.engine.decide(MendJob(job_id=run_id, way=way), r.by)
    async with asyncio.timeout(60):
        return await r.engine.runner.wait(run_id)


async def until(met: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not met():  # noqa: ASYNC110 - what is met is no event
            await asyncio.sleep(0)


def nothing_left(r: Rig) -> bool:
    return not list(r.cloud[findings])
