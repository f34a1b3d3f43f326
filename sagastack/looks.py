"""How the steps of a job stand. Nothing is changed."""

from __future__ import annotations

from aggregates.saga import RunState, SagaRun
from api.caller import JobStep
from engine.saga import SAGAS, Step


def steps_of(run: SagaRun) -> list[JobStep]:
    """Each step of the run's saga, in the order in which they run.

    A saga that this version does not know any more shows what was recorded of it.
    """
    saga = SAGAS.get(run.name)
    if saga is None:
        return [JobStep(name, "Done", touches_world=False) for name in run.outputs]
    due = {step.name for step in saga.ready(run.outputs)}
    return [_step(run, step, step.name in due) for step in saga.steps]


def _step(run: SagaRun, step: Step[object, object], is_due: bool) -> JobStep:
    attempts, error, text = run.attempts.get(step.name, 0), "", ""
    if step.name == run.failed_step and run.state is not RunState.SUCCEEDED:
        error, text = run.error, run.error_text
    elif run.tried and step.name == run.renewed[0]:
        attempts, error = len(run.tried), run.tried[-1].error
        text = "; ".join(one.why for one in run.tried)
    return JobStep(
        name=step.name,
        state=_state(run, step.name, is_due),
        touches_world=not step.decides,
        attempts=attempts,
        error=error,
        error_text=text,
        no_undo=step.no_undo,
    )


def _state(run: SagaRun, name: str, is_due: bool) -> str:
    """One word for how a step stands, the most telling first."""
    if run.state is RunState.PARKED and name == run.failed_step:
        return "Parked"
    if name in run.skipped:
        return "Skipped"
    if name in run.undone:
        return "Undone"
    if name in run.outputs:
        return "Done"
    if name == run.failed_step and run.state in (RunState.UNDOING, RunState.FAILED):
        return "Failed"
    if run.state is RunState.RUNNING and is_due:
        return "Retrying" if run.attempts.get(name) else "Running"
    return "Waiting"
