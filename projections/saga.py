"""Saga runs: all that are alive, and the latest that are over. Older ones are read from the log."""

from __future__ import annotations

from collections import OrderedDict

from aggregates.base import Recorded
from aggregates.saga import RunState, SagaRun
from projections.table import Table, TableSpec, table

KEPT_FINISHED = 10_000
_SUCCEEDED, _FAILED = (state for state in RunState if state.is_over)


class Runs(Table[SagaRun]):
    """A table that forgets, in log order, all but the latest finished runs."""

    def __init__(self, spec: TableSpec[SagaRun]) -> None:
        super().__init__(spec)
        # A plain dict looks at all that it has forgotten, each time that it is asked for its first.
        self._finished: OrderedDict[int, SagaRun] = OrderedDict()

    def fold(self, recorded: Recorded) -> None:
        super().fold(recorded)
        row = self.rows[recorded.stream.int]
        state = row.state
        if (state is _SUCCEEDED or state is _FAILED) and row.id.int not in self._finished:
            row.finished_position = recorded.position
            self._finished[row.id.int] = row
            if len(self._finished) > KEPT_FINISHED:
                _, oldest = self._finished.popitem(last=False)
                self.discard(oldest.id)

    def restore(self, encoded: bytes) -> None:
        super().restore(encoded)
        over = [row for row in self.rows.values() if row.state.is_over]
        over.sort(key=lambda row: row.finished_position)
        self._finished = OrderedDict((row.id.int, row) for row in over)


saga_runs = table(
    SagaRun,
    indexed=("state", "account_id", "subject_id", "idempotency_key"),
    make=Runs,
)

__all__ = ["RunState", "SagaRun", "saga_runs"]
