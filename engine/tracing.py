"""Where the runner tells what it does to whoever follows runs. By default nobody does.

It tells what takes time: attempts in the world, undos, and decisions on their way to the disk. What
follows a run by these calls decides nothing by them, and must not raise.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from aggregates.saga import SagaRun

Scope = AbstractContextManager[object]


class Tracer(Protocol):
    def step(self, row: SagaRun, step: str, *, undo: bool = False) -> Scope:
        """Around one attempt of a step in the world, or one of undoing a step."""

    def decisions(self, row: SagaRun) -> Scope:
        """Around the decisions whose turn it is, and their commit."""

    def left(self, row: SagaRun) -> None:
        """This controller works on the run no more: it is over, or parked."""


class NoTracer:
    """Follows nothing, at the price of a call."""

    _scope: Scope = nullcontext()

    def step(self, row: SagaRun, step: str, *, undo: bool = False) -> Scope:
        return self._scope

    def decisions(self, row: SagaRun) -> Scope:
        return self._scope

    def left(self, row: SagaRun) -> None:
        pass
