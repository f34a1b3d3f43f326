"""Which controllers are on this database: one alone, or several that know of each other.

A controller without Kafka hears of others' events late and resumes others' sagas, so it must be
alone; several have each other's word by Kafka. Each controller has a row, renewed like a lease, and
enters only if its kind and those that are there go together. A row that is not renewed was left
behind by a crash: whoever comes waits for its end, a few seconds, before it refuses anything.
"""

from __future__ import annotations

from contextlib import suppress
from uuid import uuid4

from engine.clock import Clock
from engine.cluster.database import Database
from engine.cluster.leases import LEASE_S, LOOK_S, QUESTION_S, RENEW_S
from engine.cluster.store import DatabaseGone
from engine.log.errors import LogLocked

TABLE = """CREATE TABLE IF NOT EXISTS sagastack_controllers (
    life uuid PRIMARY KEY,
    holder text NOT NULL,
    alone boolean NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL)"""
# Two that enter at one moment see each other.
LOCK = b"LOCK TABLE sagastack_controllers IN SHARE ROW EXCLUSIVE MODE"
FORGET = b"DELETE FROM sagastack_controllers WHERE until <= clock_timestamp()"
IN_THE_WAY = b"""SELECT holder, alone, until::text FROM sagastack_controllers
    WHERE life <> %s AND (alone OR %s) ORDER BY since LIMIT 1"""
ENTER = b"""INSERT INTO sagastack_controllers
    VALUES (%s, %s, %s, clock_timestamp(), clock_timestamp() + make_interval(secs => %s))"""
RENEW = """UPDATE sagastack_controllers
    SET until = clock_timestamp() + make_interval(secs => %s) WHERE life = %s RETURNING holder"""
LEAVE = "DELETE FROM sagastack_controllers WHERE life = %s"
HERE = """SELECT holder FROM sagastack_controllers
    WHERE until > clock_timestamp() ORDER BY since"""


class Occupied(LogLocked):
    """Another controller is on this database, and the two do not go together."""


class Presence:
    """This controller's row. Make it with `enter`, keep `stay` in a task group, `close` it last."""

    def __init__(self, url: str, holder: str, clock: Clock, *, alone: bool) -> None:
        self.holder, self._alone, self._clock = holder, alone, clock
        # Two may have one name, as in containers made alike.
        self._life = uuid4()
        self._database = Database(url, most=1, timeout_s=QUESTION_S)

    @classmethod
    async def enter(cls, url: str, holder: str, clock: Clock, *, alone: bool) -> Presence:
        """Come in, or refuse: `Occupied` names who is there. A crashed one's row is waited for."""
        made = cls(url, holder, clock, alone=alone)
        try:
            await made._database.make(TABLE)
            waited_s, first = 0.0, await made._try()
            found = first
            while found is not None and found == first and waited_s < LEASE_S + LOOK_S:
                await clock.sleep(LOOK_S)
                waited_s += LOOK_S
                found = await made._try()
            if found is not None:
                raise made._refusal(*found[:2])
        except BaseException:
            await made._database.close()
            raise
        return made

    async def stay(self) -> None:
        """Renew the row until cancelled. `Occupied` when another came in while we were away."""
        while True:
            await self._clock.sleep(RENEW_S)
            with suppress(DatabaseGone):
                if await self._database.ask(RENEW, (LEASE_S, self._life)):
                    continue
                # It ended, and somebody who came tidied up; perhaps one that we go with.
                if found := await self._try():
                    raise self._refusal(*found[:2])

    async def here(self) -> list[str]:
        """The controllers on this database, the longest there first."""
        return [str(row[0]) for row in await self._database.ask(HERE)]

    async def close(self) -> None:
        with suppress(DatabaseGone):
            await self._database.ask(LEAVE, (self._life,))
        await self._database.close()

    async def _try(self) -> tuple[str, bool, str] | None:
        """Come in, or say who is in the way and until when."""
        async with self._database.transaction() as cursor:
            await cursor.execute(LOCK)
            await cursor.execute(FORGET)
            await cursor.execute(IN_THE_WAY, (self._life, self._alone))
            if (row := await cursor.fetchone()) is not None:
                return str(row[0]), bool(row[1]), str(row[2])
            await cursor.execute(ENTER, (self._life, self.holder, self._alone, LEASE_S))
        return None

    def _refusal(self, other: str, other_alone: bool) -> Occupied:
        remedy = (
            "stop it first, or start this one and it with --kafka so that they share the work"
            if other_alone or not self._alone
            else "it is one of several: start this one with the same --kafka, or stop those first"
        )
        return Occupied(
            f"controller {other} already runs on {self._database.name}"
            f"{' without Kafka' if other_alone else ''}, and one without Kafka must be alone "
            f"there: {remedy}"
        )
