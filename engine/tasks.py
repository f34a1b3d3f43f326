"""Long-lived background work in one TaskGroup, so that no task is ever orphaned."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any

from engine.clock import Clock
from engine.log.errors import LogUnavailable

log_ = logging.getLogger("sagastack.tasks")

AGAIN_S = 5.0
# How the machine fails, and the store of the log: a full disk, no descriptors, no process left.
PASSING = (OSError, LogUnavailable)


class Tasks:
    """Owns every background task of a controller; leaving it cancels and awaits them all."""

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False

    def spawn(self, work: Coroutine[Any, Any, Any], *, name: str) -> bool:
        """Begin `work`; False once the controller is closing: nothing begins any more."""
        if self._closed:
            work.close()
            return False
        task = self._group.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return True

    def keep(
        self, work: Callable[[], Coroutine[Any, Any, None]], *, name: str, clock: Clock
    ) -> bool:
        """Spawn what has to go on: begun anew whenever the machine, or the store, refused it
        something. Nothing that may be over in a minute ends a controller."""
        return self.spawn(_kept(work, name, clock), name=name)

    async def __aenter__(self) -> Tasks:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """An error of the block rises as it is; one of a task cancels the block and rises after."""
        self._closed = True
        for task in self._running:
            task.cancel()
        if isinstance(error, asyncio.CancelledError):
            await self._group.__aexit__(kind, error, trace)
        else:
            await self._group.__aexit__(None, None, None)


async def _kept(work: Callable[[], Coroutine[Any, Any, None]], name: str, clock: Clock) -> None:
    """Until it ends by itself. Each trouble is told once, however long it lasts."""
    told = ""
    while True:
        try:
            await work()
            return
        except* PASSING as failed:
            trouble = "; ".join(map(str, leaves(failed)))
        if trouble != told:
            log_.error("%s stands still, and is tried again: %s", name, trouble)
        told = trouble
        await clock.sleep(AGAIN_S)


def leaves(group: BaseExceptionGroup[Exception]) -> Iterator[Exception]:
    """The errors of a group, however deep."""
    for one in group.exceptions:
        if isinstance(one, BaseExceptionGroup):
            yield from leaves(one)
        else:
            yield one
