"""The life of one thing, as people read it: when, what, by whom, through which job and steps."""

from __future__ import annotations

import argparse
import heapq
import json
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from operator import attrgetter
from typing import Any
from uuid import UUID

from aggregates.base import AGGREGATES, Recorded, fields_of
from aggregates.saga import SagaProgressed, SagaStarted, SagaSucceeded, StepsSucceeded
from engine.clock import SystemClock
from engine.log import Log
from sagastack.commands import Commands
from sagastack.settings import Settings
from sagastack.tools.moments import Moment, iso
from sagastack.tools.naming import check_kinds, find
from sagastack.tools.opened import opened
from sagastack.tools.telling import Teller

SHORT = 200


def add(commands: Commands) -> None:
    one = commands.command(
        "history",
        _run,
        "the life of one thing, alive or gone: what happened, by whom, through which job",
        example="""sagastack history vm web
            sagastack history vm web --until -2h --no-steps
            sagastack history volume 7c0e3f0a-9d1e-4c39-8f0f-0d8f8c1f7a55 --json""",
    )
    one.add_argument("kind", help="vm, volume, host, zone, saga, ...")
    one.add_argument("id", help="its id or its name, also of one that is gone")
    one.add_argument("--until", type=Moment.parse, help="a time, @position, or -2h", metavar="T")
    one.add_argument("--no-steps", action="store_true", help="leave out the steps of its jobs")


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    lines = history(settings, args.kind, args.id, until=args.until, steps=not args.no_steps)
    async with aclosing(lines):
        async for told in lines:
            print(json.dumps(told) if args.json else sentence(told))
    return 0


async def history(
    settings: Settings,
    kind: str,
    thing: str,
    *,
    until: Moment | None = None,
    steps: bool = True,
) -> AsyncGenerator[dict[str, Any], None]:
    """Each event of one thing, oldest first, and between them the steps of the jobs that did it.

    `NotFound` if the log knows no such kind or no such thing.
    """
    async with opened(settings) as (log, past):
        check_kinds([kind], AGGREGATES)
        end = await (until or Moment("now")).resolve(log, SystemClock().now_ms())
        cloud = await past.until(end)
        stream = await find(log, [cloud], kind, thing, end)
        recorded = [one for one in await log.read_stream(stream) if one.position <= end]
        lives = [recorded]
        if steps and kind != "saga":
            lives += [
                [one for one in await _steps(log, run) if one.position <= end]
                for run in _jobs(recorded)
            ]
        teller = Teller(log, past, cloud)
        for one in heapq.merge(*lives, key=attrgetter("position")):
            yield await _told(one, teller)


def _jobs(recorded: Iterable[Recorded]) -> list[UUID]:
    return list(dict.fromkeys(one.saga for one in recorded if one.saga is not None))


async def _steps(log: Log, run: UUID) -> list[Recorded]:
    """What happened to a job, but for how far it said it was."""
    return [one for one in await log.read_stream(run) if not isinstance(one.event, SagaProgressed)]


async def _told(one: Recorded, teller: Teller) -> dict[str, Any]:
    """An event with its names resolved. `steps` are those that the event is about."""
    cause = await teller.cause(one)
    happened = one.event
    step = getattr(happened, "step", "") if happened.KIND == "saga" else ""
    steps = [step]
    if isinstance(happened, SagaStarted | StepsSucceeded | SagaSucceeded):
        steps = list(happened.outputs)
    return {
        "position": one.position,
        "at": iso(one.at_ms),
        "kind": happened.KIND,
        "id": str(one.stream),
        "event": one.topic,
        "steps": [name for name in steps if name],
        "by": cause.by,
        "command": cause.command,
        "job": cause.job,
        "job_id": cause.job_id,
        "data": fields_of(happened),
    }


def sentence(told: dict[str, Any]) -> str:
    """One line for a person; what a job did is indented, and says its steps instead of its data."""
    if told["kind"] == "saga":
        error = ": ".join(filter(None, (told["data"].get("error"), told["data"].get("text"))))
        said = " ".join(filter(None, (", ".join(told["steps"]), error[:SHORT])))
        return f"{told['at']}    {told['job']} {told['event'].partition('.')[2]} {said}".rstrip()
    data = ", ".join(f"{k}={v}" for k, v in told["data"].items() if v not in (None, "", [], {}))
    through = " ".join(filter(None, (told["command"], told["job"])))
    through = f" ({through})" if through else ""
    return f"{told['at']}  {told['event']:<22} by {told['by']}{through}  {data[:SHORT]}"
