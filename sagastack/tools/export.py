"""Events as JSON lines, oldest first: one line an event, as any tool can read them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncIterator

import msgspec

from aggregates.base import Recorded, fields_of
from sagastack.commands import Commands
from sagastack.settings import Settings
from sagastack.tools.opened import opened


async def export(settings: Settings, *, after: int, until: int | None) -> AsyncIterator[bytes]:
    """Lines for every event behind `after`, up to `until`."""
    async with opened(settings) as (log, _):
        async for batch in log.read(after, until=until):
            for recorded in batch:
                yield line(recorded)


def line(recorded: Recorded) -> bytes:
    """One event with its envelope; what is not set is left out."""
    envelope = {
        "position": recorded.position,
        "topic": recorded.topic,
        "stream": recorded.stream,
        "version": recorded.version,
        "at_ms": recorded.at_ms,
        "user": recorded.user,
        "account": recorded.account,
        "saga": recorded.saga,
        "action": recorded.action or None,
        "data": fields_of(recorded.event),
    }
    return msgspec.json.encode({k: v for k, v in envelope.items() if v is not None})


def add(commands: Commands) -> None:
    one = commands.command(
        "export",
        _run,
        "events as JSON lines",
        example="sagastack export --after 1000 >events.jsonl",
        json=False,
    )
    one.add_argument("--after", type=int, default=0, help="only events behind this position")
    one.add_argument("--until", type=int, help="only events up to this position")


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    async for one in export(settings, after=args.after, until=args.until):
        sys.stdout.buffer.write(one + b"\n")
    sys.stdout.buffer.flush()
    return 0
