"""One controller at a time does a duty, and another takes over in under five seconds.

A lease is a row with a name, a holder and an end by the database's clock. Its holder renews it
each second; whoever finds it ended takes it, and its token grows. One question serves all leases
that a controller holds, and one all that it waits for. A holder that cannot renew in
time stops by its own steady clock before the row ends, so two never work at once, as far as a
program can know: one that was paused in the middle of a line finds out at its next wait. What must
not happen twice all the same is fenced by the token, and may ask `token` just before.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from engine.clock import Clock, steady_s
from engine.cluster.database import Database
from engine.cluster.duties import Holder, Work
from engine.cluster.store import DatabaseGone
from engine.cluster.together import Together

log_ = logging.getLogger("sagastack.leases")

LEASE_S, RENEW_S, LOOK_S = 3.0, 1.0, 0.75
# How long before the row's end a holder stops by itself: its work needs a moment to end.
MARGIN_S = 0.5
QUESTION_S = 1.0
TABLE = """CREATE TABLE IF NOT EXISTS sagastack_leases (
    name text PRIMARY KEY,
    holder text NOT NULL,
    token bigint NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL)"""
# `clock_timestamp` goes on while a statement waits for the row, as `now` does not.
TAKE = """INSERT INTO sagastack_leases AS had (name, holder, token, since, until)
    VALUES (%s, %s, 1, clock_timestamp(), clock_timestamp() + make_interval(secs => %s))
    ON CONFLICT (name) DO UPDATE SET
        holder = excluded.holder, token = had.token + 1,
        since = excluded.since, until = clock_timestamp() + make_interval(secs => %s)
    WHERE had.until <= clock_timestamp()
    RETURNING token"""
# Holders of different leases touch different rows: the order in which they do cannot matter.
RENEW = """UPDATE sagastack_leases AS had
    SET until = clock_timestamp() + make_interval(secs => %s)
    FROM unnest(%s::text[], %s::bigint[]) AS ours (name, token)
    WHERE had.name = ours.name AND had.token = ours.token AND had.holder = %s
    RETURNING had.name"""
# Who only waits writes nothing: an attempt to take a row that is held would lock it, on disk too.
TAKEN = """SELECT name FROM sagastack_leases
    WHERE name = ANY(%s) AND until > clock_timestamp()"""
RELEASE = """UPDATE sagastack_leases SET until = clock_timestamp()
    WHERE name = %s AND holder = %s AND token = %s"""
HELD = """SELECT name, holder, token, (extract(epoch FROM since) * 1000)::bigint
    FROM sagastack_leases WHERE until > clock_timestamp() ORDER BY name"""


@dataclass(slots=True)
class _Grip:
    """A lease of ours, and until when it is that by our own clock."""

    name: str
    token: int
    sure_until_s: float


class Leases:
    """Leases in the database at `url`. `holder` names this process to people, and no other one.

    `steady` is a clock that nobody sets, in seconds.
    """

    def __init__(
        self, url: str, holder: str, clock: Clock, *, steady: Callable[[], float] = steady_s
    ) -> None:
        self.holder = holder
        self._clock, self._steady = clock, steady
        self._database = Database(url, most=2, timeout_s=QUESTION_S)
        self._made = False
        self._grips: dict[str, _Grip] = {}
        self._renewals = Together(self._renew_all, clock)
        self._looks = Together(self._taken, clock)

    async def while_held(self, name: str, work: Work) -> None:
        if name in self._grips:
            raise ValueError(f"the lease {name} is held here already: one work for each name")
        while True:
            grip = await self._take(name)
            self._grips[name] = grip
            log_.info("%s: %s has it, token %d", name, self.holder, grip.token)
            try:
                if await self._work(grip, work):
                    return
            finally:
                del self._grips[name]
                await self._release(grip)
            log_.warning("%s: %s has lost it (token %d)", name, self.holder, grip.token)

    def token(self, name: str) -> int | None:
        grip = self._grips.get(name)
        return grip.token if grip is not None and self._steady() < grip.sure_until_s else None

    async def holders(self) -> list[Holder]:
        await self._make()
        return [Holder(*row) for row in await self._database.ask(HELD)]

    async def close(self) -> None:
        """Leases that are held are let go by the tasks that hold them, when those are cancelled."""
        for grip in list(self._grips.values()):
            await self._release(grip)
        await self._database.close()

    async def _make(self) -> None:
        if not self._made:
            await self._database.make(TABLE)
            self._made = True

    async def _take(self, name: str) -> _Grip:
        """Wait until the lease is ours, however long the database or another holder takes."""
        looked = False
        while True:
            with suppress(DatabaseGone):
                await self._make()
                if not looked or await self._looks.ask(name) is False:
                    began_s = self._steady()
                    values = (name, self.holder, LEASE_S, LEASE_S)
                    # Made twice, it would find itself held by the first time.
                    if found := await self._database.ask(TAKE, values, repeatable=False):
                        return _Grip(name, int(found[0][0]), began_s + LEASE_S - MARGIN_S)
            looked = True
            await self._clock.sleep(self._until_next(LOOK_S))

    async def _taken(self, names: Sequence[str]) -> dict[str, bool]:
        """Which of these leases somebody holds."""
        held = {str(row[0]) for row in await self._database.ask(TAKEN, (list(names),))}
        return {name: name in held for name in names}

    async def _renew_all(self, names: Sequence[str]) -> dict[str, bool]:
        """Which of our leases are ours for another while; one that is not is another's by now."""
        tokens = [grip.token if (grip := self._grips.get(name)) else 0 for name in names]
        values = (LEASE_S, list(names), tokens, self.holder)
        ours = {str(row[0]) for row in await self._database.ask(RENEW, values)}
        return {name: name in ours for name in names}

    def _until_next(self, every_s: float) -> float:
        """Until the moment at which whoever does something so often does it."""
        return every_s - self._steady() % every_s

    async def _work(self, grip: _Grip, work: Work) -> bool:
        """Work while the lease is renewed. Did the work end by itself?"""
        ended = False
        try:
            async with asyncio.timeout(None) as bound, asyncio.TaskGroup() as group:
                renewing = group.create_task(self._renew(grip, bound), name=f"{grip.name} lease")
                await work(grip.token)
                # Work that takes its being cancelled for its end has not ended by itself.
                ended = not bound.expired()
                renewing.cancel()
        except TimeoutError:
            if not bound.expired():
                raise
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None
        return ended

    async def _renew(self, grip: _Grip, bound: asyncio.Timeout) -> None:
        """Renew each second, and move the moment at which the work is cancelled ahead of us."""
        loop = asyncio.get_running_loop()
        while True:
            left_s = grip.sure_until_s - self._steady()
            if left_s <= 0 or bound.expired():
                break
            bound.reschedule(loop.time() + left_s)
            await self._clock.sleep(self._until_next(RENEW_S))
            began_s = self._steady()
            if began_s >= grip.sure_until_s:
                break
            with suppress(DatabaseGone):
                renewed = await self._renewals.ask(grip.name)
                if renewed is False:
                    break
                if renewed and not bound.expired():
                    grip.sure_until_s = began_s + LEASE_S - MARGIN_S
        grip.sure_until_s = 0.0
        if not bound.expired():
            bound.reschedule(loop.time())

    async def _release(self, grip: _Grip) -> None:
        grip.sure_until_s = 0.0
        with suppress(DatabaseGone):
            await self._database.ask(RELEASE, (grip.name, self.holder, grip.token))
