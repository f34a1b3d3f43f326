"""A saga run: what was asked, which steps happened, and how it ended. An async job is a saga run.

A step's start needs no event of its own: steps run in their declared order, so the record of what
succeeded says what may have begun. Each step has one key for all its attempts and for its undo,
hence "may have begun" is all that a resume or an undo must know.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from aggregates.base import Aggregate, Event, aggregate, as_it_was, event
from aggregates.errors import NotAllowed


class RunState(StrEnum):
    RUNNING = "Running"
    UNDOING = "Undoing"
    PARKED = "Parked"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"

    @property
    def is_over(self) -> bool:
        return self in (RunState.SUCCEEDED, RunState.FAILED)


class Tried(msgspec.Struct, frozen=True):
    """What a step chose, as JSON, and why nothing could be done with it."""

    output: Any
    error: str
    why: str


@aggregate("saga")
class SagaRun(Aggregate):
    """One run. `outputs` holds each succeeded step's output as JSON; `undone` the steps undone.

    `doubts` are steps of which an attempt may have happened unheard. `tried` is what was chosen
    before, at the step that chooses; `back_to` is that step while the run is undone as far as that,
    and `renewed` are it and those behind it, once they begin anew.
    """

    GROWS_IN_PLACE: ClassVar[bool] = True

    name: str
    command: str
    action: str
    user_id: UUID | None
    account_id: UUID | None
    subject_kind: str
    subject_id: UUID | None
    intent: dict[str, Any]
    idempotency_key: str = ""
    state: RunState = RunState.RUNNING
    outputs: dict[str, Any] = msgspec.field(default_factory=dict)
    undone: list[str] = msgspec.field(default_factory=list)
    skipped: list[str] = msgspec.field(default_factory=list)
    attempts: dict[str, int] = msgspec.field(default_factory=dict)
    doubts: list[str] = msgspec.field(default_factory=list)
    tried: list[Tried] = msgspec.field(default_factory=list)
    renewed: list[str] = msgspec.field(default_factory=list)
    back_to: str = ""
    failed_step: str = ""
    error: str = ""
    error_text: str = ""
    cancelled: bool = False
    was_undoing: bool = False
    percent: int = 0
    progress: str = ""
    finished_at_ms: int = 0
    finished_position: int = 0

    def cancel(self) -> SagaCancelRequested:
        if self.state is not RunState.RUNNING or self.cancelled:
            raise NotAllowed(f"job {self.id} is {self.state}: only a running job can be cancelled")
        return SagaCancelRequested()

    def mend(self, way: str) -> SagaMended:
        """Take a parked run up again: `retry` the step, `skip` it, or `undo` the whole run."""
        if self.state is not RunState.PARKED:
            raise NotAllowed(f"job {self.id} is {self.state}: only a parked job can be mended")
        return SagaMended(way=way)


@event("saga.started", creates=SagaRun, version=2, upcasts={1: as_it_was})
class SagaStarted(Event, frozen=True, kw_only=True, omit_defaults=True):
    """`outputs` are those of the steps that were decided as it began."""

    name: str
    command: str
    action: str
    user_id: UUID | None
    account_id: UUID | None
    subject_kind: str
    subject_id: UUID | None
    intent: dict[str, Any]
    idempotency_key: str = ""
    outputs: dict[str, Any] = msgspec.field(default_factory=dict)

    def joined(self, later: Event) -> Event | None:
        if not isinstance(later, StepsSucceeded):
            return None
        return msgspec.structs.replace(self, outputs={**self.outputs, **later.outputs})


@event("saga.steps_succeeded")
class StepsSucceeded(Event, frozen=True, kw_only=True):
    """All the steps that were decided, or became known, in one commit; each with its output."""

    outputs: dict[str, Any]

    def joined(self, later: Event) -> Event | None:
        return SagaSucceeded(outputs=self.outputs) if isinstance(later, SagaSucceeded) else None

    def apply(self, row: SagaRun, at_ms: int) -> None:
        _record(row, self.outputs)


def _record(row: SagaRun, outputs: dict[str, Any]) -> None:
    # What the row has may be what an event holds, which never changes.
    row.outputs = {**row.outputs, **outputs}
    for step in outputs:
        row.attempts.pop(step, None)
    row.percent, row.progress = 0, ""


@event("saga.progressed")
class SagaProgressed(Event, frozen=True, kw_only=True):
    """How far the step at work is. Only for those who watch: nothing is decided by it."""

    percent: int
    text: str

    def apply(self, row: SagaRun, at_ms: int) -> None:
        row.percent, row.progress = self.percent, self.text


@event("saga.step_failed")
class StepFailed(Event, frozen=True, kw_only=True):
    """One attempt failed; another follows at `retry_at_ms`, if it is not 0."""

    step: str
    error: str
    text: str
    retry_at_ms: int = 0

    def apply(self, row: SagaRun, at_ms: int) -> None:
        row.attempts[self.step] = row.attempts.get(self.step, 0) + 1
        if self.error == "Unknown" and self.step not in row.doubts:
            row.doubts.append(self.step)
        row.failed_step, row.error, row.error_text = self.step, self.error, self.text


@event("saga.undo_started")
class UndoStarted(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The run will not succeed; `error` and `text` are what its caller is told.

    It may succeed yet if it is undone no further than to a step that chooses anew: `back_to`.
    """

    step: str
    error: str
    text: str
    back_to: str = ""

    def apply(self, row: SagaRun, at_ms: int) -> None:
        row.state, row.was_undoing, row.back_to = RunState.UNDOING, True, self.back_to
        row.failed_step, row.error, row.error_text = self.step, self.error, self.text
        row.attempts.clear()


@event("saga.step_undone")
class StepUndone(Event, frozen=True, kw_only=True):
    step: str

    def apply(self, row: SagaRun, at_ms: int) -> None:
        row.undone.append(self.step)
        row.attempts.pop(self.step, None)


@event("saga.turned")
class SagaTurned(Event, frozen=True, kw_only=True):
    """All is undone back to a step that chooses. It, and the `steps` behind it, begin anew."""

    step: str
    steps: list[str]

    def apply(self, row: SagaRun, at_ms: int) -> None:
        anew = (self.step, *self.steps)
        row.tried = [*row.tried, Tried(row.outputs.get(self.step), row.error, row.error_text)]
        row.outputs = {step: told for step, told in row.outputs.items() if step not in anew}
        row.undone = [step for step in row.undone if step not in anew]
        row.doubts = [step for step in row.doubts if step not in anew]
        row.renewed, row.back_to = list(anew), ""
        row.state, row.was_undoing = RunState.RUNNING, False
        row.failed_step = row.error = row.error_text = ""
        row.attempts.clear()


@event("saga.parked")
class SagaParked(Event, frozen=True, kw_only=True):
    """The engine can neither finish nor undo `step`; a person looks, then mends the run."""

    step: str
    error: str
    text: str

    def apply(self, row: SagaRun, at_ms: int) -> None:
        row.state = RunState.PARKED
        if self.error == "Unknown" and self.step not in row.doubts:
            row.doubts.append(self.step)
        row.failed_step, row.error, row.error_text = self.step, self.error, self.text


@event("saga.mended")
class SagaMended(Event, frozen=True, kw_only=True):
    way: str

    def apply(self, row: SagaRun, at_ms: int) -> None:
        row.attempts.clear()
        if self.way == "skip":
            row.skipped.append(row.failed_step)
            if row.was_undoing:
                row.undone.append(row.failed_step)
            else:
                row.outputs = {row.failed_step: None, **row.outputs}
        if self.way == "undo":
            row.was_undoing, row.back_to = True, ""
        row.state = RunState.UNDOING if row.was_undoing else RunState.RUNNING


@event("saga.cancel_requested")
class SagaCancelRequested(Event, frozen=True, kw_only=True):
    def apply(self, row: SagaRun, at_ms: int) -> None:
        row.cancelled = True


@event("saga.succeeded", version=2, upcasts={1: as_it_was})
class SagaSucceeded(Event, frozen=True, kw_only=True, omit_defaults=True):
    """`outputs` are those of its last steps."""

    outputs: dict[str, Any] = msgspec.field(default_factory=dict)

    def apply(self, row: SagaRun, at_ms: int) -> None:
        if self.outputs:
            _record(row, self.outputs)
        row.state, row.finished_at_ms = RunState.SUCCEEDED, at_ms
        row.error = row.error_text = row.failed_step = ""


@event("saga.failed")
class SagaFailed(Event, frozen=True, kw_only=True):
    """Everything is undone; nothing of the run remains."""

    def apply(self, row: SagaRun, at_ms: int) -> None:
        row.state, row.finished_at_ms = RunState.FAILED, at_ms
