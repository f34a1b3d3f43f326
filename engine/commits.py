"""Commits what was drafted, outlasting the log's outages and callers that go away.

What was not acknowledged may be on disk all the same: then a second try is refused for the first
one's sake, and counts as done.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from uuid import UUID

from aggregates.base import Recorded
from aggregates.errors import Conflict
from engine.clock import Clock
from engine.draft import Draft
from engine.fence import Fence
from engine.log import Log, LogUnavailable, Unit
from engine.under_way import UnderWay

log_ = logging.getLogger("sagastack.saga")

LOG_RETRY_S = 1.0


class Commits:
    def __init__(self, log: Log, clock: Clock, fence: Fence) -> None:
        self._log, self._clock, self._fence = log, clock, fence
        self.under_way = UnderWay()

    async def append(self, unit: Unit, draft: Draft, *, patient: bool = True) -> bool:
        """Commit a draft. False: somebody else was first, decide again.

        While the log cannot be written nothing may be decided: a run waits for it, and a caller,
        who is not `patient`, is told so by `LogUnavailable`. What was not acknowledged may be on
        disk all the same, and then the second try is refused for the first one's sake.
        """
        self.under_way.begin(draft)
        if not patient:
            return await self._ask(unit, draft)
        try:
            return await self._insist(unit, draft)
        finally:
            self.under_way.end(draft)

    async def _insist(self, unit: Unit, draft: Draft) -> bool:
        doubted = False
        while True:
            try:
                recorded = await self._log.append(unit)
                self._fence.wrote(recorded, unit.saga)
            except Conflict:
                if doubted and (held := await self._landed(unit)):
                    self._fence.wrote(held, unit.saga)
                    return True
                draft.abort()
                await self._clock.sleep(0)
                return False
            except LogUnavailable as error:
                log_.error("the log cannot be written, waiting: %s", error)
                self.under_way.stalled(error)
                doubted, unit = True, unit.strict()
                await self._clock.sleep(LOG_RETRY_S)
            except BaseException:
                draft.abort()
                raise
            else:
                return True

    async def _ask(self, unit: Unit, draft: Draft) -> bool:
        """Append for a caller who may go away at any moment, as a request's connection breaks.

        The unit is on its way to the disk all the same, so what was promised for it stays promised
        until the log has said that it is not to be. It is queued at once: units are committed in
        the order of their decisions, as each leaves others only what those before it left.
        """
        try:
            queued = self._log.submit(unit)
        except BaseException:
            self._given_up(draft)
            raise
        told: asyncio.Future[list[Recorded]] = asyncio.get_running_loop().create_future()
        queued.add_done_callback(partial(self._answered, draft, told))
        try:
            recorded = await told
        except Conflict:
            await self._clock.sleep(0)
            return False
        self._fence.wrote(recorded, unit.saga)
        return True

    def _answered(
        self,
        draft: Draft,
        told: asyncio.Future[list[Recorded]],
        queued: asyncio.Future[list[Recorded]],
    ) -> None:
        """Settle what was promised, then tell who waits, if anybody still does."""
        error = None if queued.cancelled() else queued.exception()
        if error is not None or queued.cancelled():
            self._given_up(draft)
        else:
            self.under_way.end(draft)
        if told.done():
            return
        if queued.cancelled():
            told.cancel()
        elif error is not None:
            told.set_exception(error)
        else:
            told.set_result(queued.result())

    def _given_up(self, draft: Draft) -> None:
        draft.abort()
        self.under_way.end(draft)

    async def _landed(self, unit: Unit) -> list[Recorded]:
        """What the log holds where this unit should be, if that is just this unit."""
        written = [one for one in unit.appends if one.events]
        first = next((one for one in written if one.stream == unit.saga), written[0])
        held = await self.read(first.stream, first.expected)
        same = bool(held) and (held[0].saga, held[0].event) == (unit.saga, first.events[0])
        return held[: len(first.events)] if same else []

    async def read(self, stream: UUID, after: int) -> list[Recorded]:
        """What a stream holds behind a version, however long the log cannot tell."""
        while True:
            try:
                return await self._log.read_stream(stream, after=after)
            except LogUnavailable as error:
                log_.error("the log cannot be read, waiting: %s", error)
                await self._clock.sleep(LOG_RETRY_S)
