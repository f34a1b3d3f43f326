"""Saga runs: all that are alive, and the latest that are over. Older ones are read from the log."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import cast
from uuid import UUID

from aggregates.base import Event, Recorded, build
from aggregates.saga import RunState, SagaFailed, SagaRun, SagaSucceeded
from projections.table import Table, TableSpec, table

KEPT_FINISHED = 10_000
_SUCCEEDED, _FAILED = (state for state in RunState if state.is_over)


class Runs(Table[SagaRun]):
    """A table that forgets, in log order, all but the latest finished runs."""

    def __init__(self, spec: TableSpec[SagaRun]) -> None:
        super().__init__(spec)
        # Where each ended. A plain dict looks at all that it has forgotten, each time that it is
        # asked for its first.
        self._finished: OrderedDict[int, int] = OrderedDict()
        self._told: dict[int, list[Recorded]] = {}

    def fold(self, recorded: Recorded) -> None:
        super().fold(recorded)
        row = self.rows[recorded.stream.int]
        state = row.state
        if (state is _SUCCEEDED or state is _FAILED) and row.id.int not in self._finished:
            row.finished_position = recorded.position
            self._finished[row.id.int] = recorded.position
            if len(self._finished) > KEPT_FINISHED:
                oldest, _ = self._finished.popitem(last=False)
                self.discard(UUID(int=oldest))

    def past(self, kind: type[Event]) -> Callable[[Recorded], None]:
        """What a run was told is kept until it is known whether the run is: most are forgotten."""
        if kind in (SagaSucceeded, SagaFailed):
            return self._finish_past
        return self._told_past

    def _told_past(self, recorded: Recorded) -> None:
        run = recorded.stream.int
        if run in self._told:
            self._told[run].append(recorded)
        else:
            self._told[run] = [recorded]

    def _finish_past(self, recorded: Recorded) -> None:
        self._told_past(recorded)
        run = recorded.stream.int
        if run not in self._finished:
            self._finished[run] = recorded.position
            if len(self._finished) > KEPT_FINISHED:
                oldest, _ = self._finished.popitem(last=False)
                self.rows.pop(oldest, None)
                self._told.pop(oldest, None)

    def settle(self) -> None:
        for run, told in self._told.items():
            row = self.rows.get(run)
            if row is None:
                self.rows[run] = row = cast(SagaRun, build(told.pop(0)))
            for recorded in told:
                self._apply(row, recorded)
            row.finished_position = self._finished.get(run, 0)
        self._told = {}
        super().settle()

    def restore(self, encoded: bytes) -> None:
        super().restore(encoded)
        over = [row for row in self.rows.values() if row.state.is_over]
        over.sort(key=lambda row: row.finished_position)
        self._finished = OrderedDict((row.id.int, row.finished_position) for row in over)


saga_runs = table(
    SagaRun,
    indexed=("state", "account_id", "subject_id", "idempotency_key"),
    make=Runs,
)

__all__ = ["RunState", "SagaRun", "saga_runs"]
