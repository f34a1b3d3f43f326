"""Names for the ids in events: who did it, through which job, to what; also of what is gone."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aggregates.base import Recorded
from aggregates.errors import NotFound
from aggregates.saga import SagaRun
from engine.history import History
from engine.log import Log, codec
from projections.cloud import Cloud

REMEMBERED = 4_096
UNIT_ROWS_MAX = 200


@dataclass(frozen=True, slots=True)
class Cause:
    """Who made an event and by what. `command` is the API's name of it where a job had it.

    What was decided without a job left its action alone in the log (`ACCOUNT.CREATE`).
    """

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
