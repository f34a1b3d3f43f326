"""Follows runs: what the runner tells of them (`engine.tracing.Tracer`) becomes spans."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aggregates.saga import RunState, SagaRun
from api.declare import REGISTRY
from engine.saga import SAGAS
from engine.tracing import Scope
from sagastack.monitor.spans import Attributes, Spans, blame


class Followed:
    """Attempts, undos and commits below the span of their run, which is told when it is over.

    A run that another controller ended meanwhile may be told twice, under the same id and alike.
    """

    def __init__(self, spans: Spans) -> None:
        self._spans = spans

    def step(self, row: SagaRun, step: str, *, undo: bool = False) -> Scope:
        attempt = row.attempts.get(step, 0) + 1
        told = {**about(row), "sagastack.step": step, "sagastack.attempt": attempt}
        name = f"undo {step}" if undo else f"step {step}"
        return self._spans.around(name, self._spans.of_run(row.id), told)

    @contextmanager
    def decisions(self, row: SagaRun) -> Iterator[None]:
        """Told only if something was committed; it is named by the steps that decided."""
        version, known = row.version, set(row.outputs)
        span = self._spans.begin("record", self._spans.of_run(row.id), about(row))
        try:
            yield
        finally:
            if row.version != version:
                deciding = [one.name for one in SAGAS[row.name].steps if one.decides]
                new = [name for name in deciding if name in row.outputs and name not in known]
                if new:
                    span.update_name(f"decide {' '.join(new)}")
                span.end()

    def left(self, row: SagaRun) -> None:
        if row.state is RunState.PARKED:
            span = self._spans.begin("parked", self._spans.of_run(row.id), about(row))
            blame(span, row.error, row.error_text)
            span.end()
        elif row.state.is_over:
            self._over(row)

    def _over(self, row: SagaRun) -> None:
        parent = self._spans.of_run(row.id, "request") if row.command in REGISTRY else None
        span = self._spans.begin_own(
            f"saga {row.name}",
            row.id,
            "run",
            parent,
            about(row),
            start_ns=row.created_at_ms * 1_000_000,
        )
        if row.state is RunState.FAILED:
            blame(span, row.error, row.error_text)
        span.end(row.finished_at_ms * 1_000_000)


def about(row: SagaRun) -> Attributes:
    """What every span of a run says of it."""
    return {"sagastack.job": str(row.id), "sagastack.saga": row.name}
