"""Tells what sagas do, a line a step, as it happens."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aggregates.base import Recorded
from aggregates.saga import (
    SagaFailed,
    SagaParked,
    SagaProgressed,
    SagaStarted,
    SagaSucceeded,
    SagaTurned,
    StepFailed,
    StepsSucceeded,
    StepUndone,
    UndoStarted,
)
from engine.feed import Feed
from projections.cloud import Cloud
from projections.saga import saga_runs


async def narrate(feed: Feed, cloud: Cloud, say: Callable[[str], None]) -> None:
    """Follow the feed from now on, for ever."""
    async for recorded in feed.follow(cloud.position):
        line = sentence(recorded, cloud)
        if line:
            say(line)


def sentence(recorded: Recorded, cloud: Cloud) -> str:
    """A line about a saga's event; empty for any other."""
    if recorded.event.KIND != "saga":
        return ""
    run = cloud[saga_runs].get(recorded.stream)
    name = run.name.partition(":")[0] if run is not None else "saga"
    if run is not None and name == "decision":
        return f"  {run.command}" if isinstance(recorded.event, SagaSucceeded) else ""
    match recorded.event:
        case SagaStarted(command=command):
            what = f"begins ({command})" if command else "begins"
        case StepsSucceeded(outputs=outputs):
            return "\n".join(_done(name, outputs))
        case StepFailed(step=step, text=text):
            what = f"{step.replace('_', ' ')}: {text}; trying again"
        case SagaProgressed(percent=percent, text=text):
            what = f"{percent}% {text}"
        case UndoStarted(text=text):
            what = f"undoing: {text}"
        case StepUndone(step=step):
            what = f"{step.replace('_', ' ')}: undone"
        case SagaTurned(step=step):
            what = f"{step.replace('_', ' ')}: once more, elsewhere"
        case SagaParked(step=step, text=text):
            what = f"parked at {step}: {text}"
        case SagaSucceeded():
            what = "succeeded"
        case SagaFailed():
            what = "failed; everything of it is undone"
        case _:
            return ""
    told = f"  {name:<20} {what}"
    match recorded.event:
        case SagaStarted(outputs=outputs):
            return "\n".join([told, *_done(name, outputs)])
        case SagaSucceeded(outputs=outputs):
            return "\n".join([*_done(name, outputs), told])
        case _:
            return told


def _done(name: str, outputs: Iterable[str]) -> list[str]:
    return [f"  {name:<20} {step.replace('_', ' ')}: done" for step in outputs]
