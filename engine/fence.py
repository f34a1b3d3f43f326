"""Whose a saga run is: exactly one controller drives it, and a zombie finds out before it writes.

Ownership is only a hint that saves work. What settles it is the version of the run's own stream:
whoever appends to it without having read what another driver recorded is refused, and lets go.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import UUID

from aggregates.base import Recorded
from aggregates.saga import (
    SagaFailed,
    SagaParked,
    SagaSucceeded,
    StepFailed,
    StepsSucceeded,
    StepUndone,
    UndoStarted,
)

# What only a driver records. Whoever cancels or mends a run writes to its stream as well.
DRIVEN = (
    SagaFailed,
    SagaParked,
    SagaSucceeded,
    StepFailed,
    StepsSucceeded,
    StepUndone,
    UndoStarted,
)


class Superseded(Exception):
    """Another controller drives this run: let go of it, and leave all as it is."""


class Owner(Protocol):
    """Which runs are this controller's."""

    alone: bool

    def owns(self, run_id: UUID) -> bool:
        """Whether it is ours at this moment, as far as we know."""

    def pick(self, random_id: Callable[[], UUID]) -> UUID:
        """An id for a new run, one of ours if there are any."""


class Everything:
    """One controller alone drives all runs."""

    alone = True

    def owns(self, run_id: UUID) -> bool:
        return True

    def pick(self, random_id: Callable[[], UUID]) -> UUID:
        return random_id()


class Fence:
    """Tells our own records on a run's stream from another driver's."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self._ours: defaultdict[UUID, set[int]] = defaultdict(set)

    def wrote(self, recorded: Sequence[Recorded], run_id: UUID | None) -> None:
        """We committed these."""
        if run_id is not None and not self.owner.alone:
            self._ours[run_id].update(one.version for one in recorded if one.stream == run_id)

    def check(self, run_id: UUID) -> None:
        """Before anything is done or decided for a run: it is ours."""
        if not self.owner.owns(run_id):
            raise Superseded(f"job {run_id} is another controller's now")

    def compare(self, run_id: UUID, found: Sequence[Recorded]) -> None:
        """After a conflict: nobody else has driven the run on."""
        for one in found:
            if isinstance(one.event, DRIVEN) and one.version not in self._ours[run_id]:
                raise Superseded(f"job {run_id} was driven on by another controller")

    def forget(self, run_id: UUID) -> None:
        self._ours.pop(run_id, None)


def superseded(error: Exception | None) -> bool:
    """Whether this, or one of what failed side by side, says that another drives the run."""
    if isinstance(error, ExceptionGroup):
        return any(map(superseded, error.exceptions))
    return isinstance(error, Superseded)
