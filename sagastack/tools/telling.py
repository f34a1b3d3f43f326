"""Names for the ids in events: who did it, through which job, to what; also of what is gone."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from aggregates.base import Recorded
from aggregates.errors import NotFound
from aggregates.saga import SagaRun
from engine.history import History
from engine.log import Log, LogError, codec
from projections.cloud import Cloud

REMEMBERED = 4_096
UNIT_ROWS_MAX = 200


@dataclass(frozen=True, slots=True)
class Cause:
    """Who made an event and by what. `command` is the API's name of it where a job had it."""

    by: str
    command: str
    job: str
    job_id: str

    def __str__(self) -> str:
        how = " ".join(filter(None, (self.command, f"({self.job})" if self.job else "")))
        return f"by {self.by}" + (f": {how}" if how else "")


class Teller:
    """Reads names from the cloud at one moment, and from the log for what was gone by then."""

    def __init__(self, log: Log, past: History, cloud: Cloud) -> None:
        self._log, self._past, self._cloud = log, past, cloud
        self._names: OrderedDict[tuple[str, UUID], str] = OrderedDict()
        self._runs: OrderedDict[UUID, SagaRun | None] = OrderedDict()

    async def cause(self, one: Recorded) -> Cause:
        run = await self.run(one.saga)
        by = await self.name("user", one.user) if one.user is not None else "the system"
        command = (run.command or run.action) if run is not None else await self._action(one)
        name = run.name if run is not None else ""
        return Cause(by, command, name, str(one.saga or ""))

    async def run(self, run_id: UUID | None) -> SagaRun | None:
        if run_id is None:
            return None
        if run_id not in self._runs:
            try:
                self._runs[run_id] = await self._past.run(run_id)
            except NotFound:
                self._runs[run_id] = None
            _trim(self._runs)
        return self._runs[run_id]

    async def name(self, kind: str, row_id: UUID) -> str:
        """What a thing is called, or was last called; its id if it never had a name."""
        key = (kind, row_id)
        if key not in self._names:
            self._names[key] = await self._find_name(kind, row_id)
            _trim(self._names)
        return self._names[key]

    async def _find_name(self, kind: str, row_id: UUID) -> str:
        row = self._cloud.table(kind).get(row_id)
        named = getattr(row, "name", "")
        if row is None:
            for one in await self._log.read_stream(row_id):
                named = getattr(one.event, "name", named)
        return str(named or row_id)

    async def _action(self, one: Recorded) -> str:
        """What was asked for stands on the first event of a unit: a few rows before, if at all."""
        if one.action or one.position <= 1:
            return one.action
        after = max(0, one.position - 1 - UNIT_ROWS_MAX)
        before = await self._log.read_stored(after, until=one.position - 1, limit=UNIT_ROWS_MAX)
        for row in reversed(before):
            known = codec.envelope(row)
            if (known.at, known.by, known.acct, known.saga) != _of(one):
                return ""
            if known.do:
                return known.do
        return ""


def _of(one: Recorded) -> tuple[Any, ...]:
    return (one.at_ms, one.user, one.account, one.saga)


def _trim(kept: OrderedDict[Any, Any]) -> None:
    if len(kept) > REMEMBERED:
        kept.popitem(last=False)


async def find(log: Log, cloud: Cloud, kind: str, thing: str, until: int) -> UUID:
    """The stream of a thing by its id, its name, or the name that it had before it went.

    `NotFound` says what is missing, or which ids there are if several had the name.
    """
    try:
        return UUID(thing)
    except ValueError:
        pass
    for row in cloud.table(kind):
        if getattr(row, "name", None) == thing:
            return UUID(str(row.id))
    gone = await _called(log, kind, thing, until)
    if not gone:
        raise NotFound(f"no {kind} is, or ever was, called {thing}: give its id")
    if len(gone) > 1:
        ids = ", ".join(map(str, gone[:20]))
        raise NotFound(f"{len(gone)} that are gone were called {thing}; give an id of {ids}")
    return gone[0]


async def _called(log: Log, kind: str, name: str, until: int) -> list[UUID]:
    """Every stream of a kind that ever had this name, in the order in which they got it."""
    found: dict[UUID, None] = {}
    after, sought = 0, msgspec.json.encode(name)
    while page := await log.read_stored(after, until=until):
        for row in page:
            if row.topic.startswith(f"{kind}.") and sought in row.state:
                try:
                    named = getattr(codec.decode(row).event, "name", None)
                except LogError:
                    continue
                if named == name:
                    found[row.stream] = None
        after = page[-1].position
    return list(found)
