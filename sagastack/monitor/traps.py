"""Turns alerts, and jobs that wait for a person, into SNMP traps: each once, in the log's order.

Give `run` to the lease `traps`: of several controllers one sends. How far it has come is kept, so
the next one goes on behind it; one that dies between sending and keeping is why a trap may come
twice, with the same position of the log in it. What happened before traps were first asked for is
never sent.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, cast

from aggregates.base import Recorded
from aggregates.finding import FindingMended, FindingOpened, FindingPutAway
from aggregates.saga import SagaMended, SagaParked, SagaStarted
from api.declare import date
from api.views.alert import name_of, type_of
from engine.clock import Clock
from engine.log import Log, LogUnavailable
from sagastack.monitor.cursor import Cursor
from sagastack.monitor.exposition import Family, counter
from sagastack.monitor.snmp import EXAMPLE_OID, Receiver, Trap, encode, send

log_ = logging.getLogger("sagastack.traps")

# Numbers of notifications and of objects, as in the MIB. They never change.
RAISED, CLEARED, ACKNOWLEDGED, PARKED, MENDED = 1, 2, 3, 4, 5
ALERT, KIND, TYPE, SUBJECT, PLACE, TEXT, AT, POSITION, JOB, SAGA, STEP = range(1, 12)
Objects = list[tuple[int, str | int]]

RETRY_S = 1.0
# So far apart at most is kept where it has come, when nothing is worth a trap.
KEEP_EVENTS = 1_000


class Traps:
    """`follow` gives every event behind a position, for ever (`Feed.follow`)."""

    def __init__(
        self,
        to: Sequence[Receiver],
        follow: Callable[[int], AsyncIterator[Recorded]],
        log: Log,
        clock: Clock,
        cursor: Cursor,
        *,
        oid: str = EXAMPLE_OID,
    ) -> None:
        self._to, self._follow, self._log, self._clock = to, follow, log, clock
        self._cursor, self._oid = cursor, oid
        self._began_ms = clock.now_ms()
        self._after: int | None = None
        self.sent = self.failed = 0

    async def run(self, token: int) -> None:
        """Send until cancelled, whatever happens to the log's store."""
        log_.info("traps are sent to %s", ", ".join(map(str, self._to)))
        self._after = None
        while True:
            try:
                await self._life()
            except LogUnavailable as gone:
                log_.warning("traps wait: %s", gone)
                await self._clock.sleep(RETRY_S)

    async def _life(self) -> None:
        if self._after is None:
            self._after = await self._cursor.load()
        if self._after is None:
            self._after = await self._log.position()
            await self._cursor.move(self._after)
        kept = self._after
        async for recorded in self._follow(self._after):
            trap = await self._trap(recorded)
            if trap is not None:
                await self._send(trap, recorded.position)
            self._after = recorded.position
            if trap is not None or self._after - kept >= KEEP_EVENTS:
                await self._cursor.move(self._after)
                kept = self._after

    async def _send(self, trap: Trap, position: int) -> None:
        uptime_cs = max(0, self._clock.now_ms() - self._began_ms) // 10
        for receiver in self._to:
            about: dict[str, Any] = {"request_id": position, "uptime_cs": uptime_cs}
            datagram = encode(trap, community=receiver.community, oid=self._oid, **about)
            if await send(datagram, receiver):
                self.sent += 1
            else:
                self.failed += 1

    async def _trap(self, recorded: Recorded) -> Trap | None:
        """What an event is worth a trap for; nothing, for nearly all."""
        event = recorded.event
        if isinstance(event, FindingOpened | FindingMended | FindingPutAway):
            return await self._of_alert(recorded)
        if isinstance(event, SagaParked | SagaMended):
            return await self._of_job(recorded)
        return None

    async def _of_alert(self, recorded: Recorded) -> Trap:
        event, first = recorded.event, await self._first(recorded)
        opened = cast(FindingOpened, first.event)
        seen = cast(Any, opened)
        place = str(opened.place_id) if opened.place_id != recorded.stream else ""
        objects: Objects = [
            (ALERT, str(recorded.stream)),
            (KIND, name_of(seen)),
            (TYPE, type_of(seen)),
            (SUBJECT, opened.subject),
            (PLACE, place),
        ]
        if isinstance(event, FindingMended):
            return Trap(CLEARED, [*objects, (TEXT, event.how), *_when(recorded)])
        if isinstance(event, FindingPutAway):
            return Trap(ACKNOWLEDGED, [*objects, (TEXT, str(event.shelf)), *_when(recorded)])
        return Trap(RAISED, [*objects, (TEXT, opened.text), *_when(recorded)])

    async def _of_job(self, recorded: Recorded) -> Trap:
        event = recorded.event
        started = cast(SagaStarted, (await self._first(recorded)).event)
        about: Objects = [(JOB, str(recorded.stream)), (SAGA, started.name)]
        if isinstance(event, SagaParked):
            told: Objects = [(STEP, event.step), (TEXT, event.text)]
            return Trap(PARKED, [*about, *told, *_when(recorded)])
        way = cast(SagaMended, event).way
        return Trap(MENDED, [*about, (TEXT, way), *_when(recorded)])

    async def _first(self, recorded: Recorded) -> Recorded:
        """The event that made the thing: what is over has no row that could be asked."""
        if recorded.version == 1:
            return recorded
        return (await self._log.read_stream(recorded.stream))[0]

    def families(self) -> Iterator[Family]:
        about = "SNMP traps that this controller sent, one a receiver."
        yield counter("traps_sent_total", about, self.sent)
        about = "SNMP traps that could not be sent: a receiver's name was not found, or alike."
        yield counter("traps_failed_total", about, self.failed)


def _when(recorded: Recorded) -> Objects:
    return [(AT, date(recorded.at_ms)), (POSITION, str(recorded.position))]
