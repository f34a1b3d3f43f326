"""The life of one thing, as people read it: when, what, by whom, through which job."""

from __future__ import annotations

import argparse
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aggregates.base import AGGREGATES, Recorded, fields_of
from aggregates.errors import NotFound
from aggregates.saga import SagaStarted
from engine.history import History
from projections.cloud import Cloud
from sagastack.commands import Commands
from sagastack.settings import Settings
from sagastack.tools.opened import opened

SHORT = 200


async def history(settings: Settings, kind: str, thing: str) -> AsyncIterator[dict[str, Any]]:
    """Each event of one thing, oldest first. `thing` is its id or, if it is alive, its name.

    `NotFound` if the log knows no such kind or no such thing.
    """
    async with opened(settings) as (log, past):
        if kind not in AGGREGATES:
            raise NotFound(f"there is no kind {kind}; kinds are {', '.join(sorted(AGGREGATES))}")
        cloud = await past.latest()
        stream = _stream(cloud, kind, thing)
        recorded = await log.read_stream(stream)
        if not recorded or kind != recorded[0].event.KIND:
            raise NotFound(f"the log knows no {kind} {thing}")
        for one in recorded:
            yield await _told(one, cloud, past)


def _stream(cloud: Cloud, kind: str, thing: str) -> UUID:
    try:
        return UUID(thing)
    except ValueError:
        pass
    for row in cloud.table(kind):
        if getattr(row, "name", None) == thing:
            return UUID(str(row.id))
    raise NotFound(f"no {kind} that is alive is called {thing}: give its id")


async def _told(recorded: Recorded, cloud: Cloud, past: History) -> dict[str, Any]:
    """An event with its names resolved."""
    user = cloud.table("user").get(recorded.user)
    job = ""
    if recorded.saga is not None and not isinstance(recorded.event, SagaStarted):
        job = (await past.run(recorded.saga)).name
    return {
        "position": recorded.position,
        "at": datetime.fromtimestamp(recorded.at_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "event": recorded.topic,
        "by": user.name if user is not None else str(recorded.user or "the system"),
        "job": job,
        "job_id": str(recorded.saga or ""),
        "data": fields_of(recorded.event),
    }


def sentence(told: dict[str, Any]) -> str:
    """One line for a person."""
    data = ", ".join(f"{k}={v}" for k, v in told["data"].items() if v not in (None, "", [], {}))
    through = f" ({told['job']})" if told["job"] else ""
    return f"{told['at']}  {told['event']:<22} by {told['by']}{through}  {data[:SHORT]}"


def add(commands: Commands) -> None:
    one = commands.command(
        "history",
        _run,
        "the life of one thing",
        example="sagastack history vm web",
    )
    one.add_argument("kind", help="vm, volume, host, zone, saga, ...")
    one.add_argument("id", help="its id, or the name of one that is alive")


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    async for told in history(settings, args.kind, args.id):
        print(json.dumps(told) if args.json else sentence(told))
    return 0
