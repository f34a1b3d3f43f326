"""Whose a saga run is: exactly one controller drives it, and a zombie finds out before it writes.

Ownership is only a hint that saves work. What settles it is the version of the run's own stream:
whoever appends to it without having read what another driver recorded is refused, and lets go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol
from uuid import UUID

from aggregates.base import Recorded
from aggregates.saga import (
    SagaFailed,
    SagaParked,
    SagaRun,
    SagaSucceeded,
    SagaTurned,
    StepFailed,
    StepsSucceeded,
    StepUndone,
    UndoStarted,
)

Read = Callable[[UUID, int], Awaitable[list[Recorded]]]
# What only a driver records. Whoever cancels or mends a run writes to its stream as well.
DRIVEN = (
    SagaFailed,
    SagaParked,
    SagaSucceeded,
    SagaTurned,
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
    """Knows each run's stream as far as this driver wrote or read it.

    What lies behind that is somebody else's. A wish to cancel is welcome; a step that another
    driver recorded means that the run is its, whoever was thought to own it.
    """

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self._known: dict[UUID, int] = {}

    def begin(self, row: SagaRun) -> None:
        """This driver goes on from `row` as it is."""
        self._known[row.id] = row.version

    def wrote(self, recorded: Sequence[Recorded], run_id: UUID | None) -> None:
        """We committed these."""
        if not self.owner.alone and run_id in self._known:
            ours = (one.version for one in recorded if one.stream == run_id)
            self._known[run_id] = max(self._known[run_id], *ours)

    async def hold(self, row: SagaRun, read: Read) -> None:
        """Before anything is done or decided for a run: it is ours, and nobody else drives it."""
        while True:
            if not self.owner.owns(row.id):
                raise Superseded(f"job {row.id} is another controller's now")
            if self.owner.alone:
                return
            known = self._known.get(row.id, row.version)
            if row.version <= known:
                return
            found = await read(row.id, known)
            for one in found:
                # Meanwhile a sibling step of ours may have been told that it is on record.
                if one.version > self._known[row.id] and isinstance(one.event, DRIVEN):
                    raise Superseded(f"job {row.id} is driven on by another controller")
            self._known[row.id] = max([self._known[row.id], *(one.version for one in found)])

    def forget(self, run_id: UUID) -> None:
        self._known.pop(run_id, None)


def superseded(error: Exception | None) -> bool:
    """Whether this, or one of what failed side by side, says that another drives the run."""
    if isinstance(error, ExceptionGroup):
        return any(map(superseded, error.exceptions))
    return isinstance(error, Superseded)
