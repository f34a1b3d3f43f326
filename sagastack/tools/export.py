"""Events for other tools, oldest first: JSON lines, CloudEvents or Parquet, however many there are.

The log is read in pages and written as it comes, so memory is bounded by a page (for Parquet by a
row group). CloudEvents have the same attributes as the records in Kafka, and the same data: the
stored row. A row that is left out by a filter is still what the next one's `previous` names.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import msgspec

from aggregates.base import AGGREGATES, Recorded, fields_of
from engine.clock import SystemClock
from engine.cluster.records import record
from engine.history import History
from engine.log import Log, Stored, codec
from sagastack.commands import Commands
from sagastack.output import whole_file
from sagastack.settings import BadSetting, Settings
from sagastack.tools.moments import Moment
from sagastack.tools.naming import check_kinds, find
from sagastack.tools.opened import opened

FORMATS = ("jsonl", "cloudevents", "parquet")
ROW_GROUP_EVENTS = 10_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Behind `after`, up to `until`; of these nouns, and asked for by this account."""

    after: Moment | None = None
    until: Moment | None = None
    kinds: tuple[str, ...] = ()
    account: str = ""


def add(commands: Commands) -> None:
    one = commands.command(
        "export",
        _run,
        "events as JSON lines, CloudEvents or Parquet",
        example="""sagastack export --after @1000 >events.jsonl
            sagastack export --format cloudevents --kind vm --kind volume --account acme
            sagastack export --format parquet --after -7d --out week.parquet""",
    )
    one.add_argument("--format", choices=FORMATS, default="jsonl")
    one.add_argument("--out", type=Path, metavar="FILE", help="instead of standard output")
    for name, about in (("--after", "only events behind"), ("--until", "only events up to")):
        one.add_argument(name, type=_bound, metavar="T", help=f"{about} a time, @position, or -2h")
    one.add_argument("--kind", action="append", default=[], help="only this noun; repeatable")
    one.add_argument("--account", default="", help="only what this account did: name or id")
    one.add_argument("--batch", action="store_true", help="CloudEvents as one JSON array")


def _bound(text: str) -> Moment:
    """A bare number is a position."""
    return Moment.parse(f"@{text}" if text.isdecimal() else text)


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    wanted = Wanted(args.after, args.until, tuple(args.kind), args.account)
    if args.format == "parquet" and args.out is None:
        raise BadSetting("Parquet is binary: say where it shall go with --out FILE")
    if args.batch and args.format != "cloudevents":
        raise BadSetting("--batch is for --format cloudevents")
    if args.format == "parquet":
        count = await export_parquet(settings, wanted, args.out)
    else:
        async with AsyncExitStack() as stack:
            every = await stack.enter_async_context(aclosing(lines(settings, wanted, args.format)))
            found = await _begun(every)
            out: IO[bytes] = sys.stdout.buffer
            if args.out is not None:
                whole = stack.enter_context(whole_file(args.out))
                out = stack.enter_context(whole.open("wb"))
            count = await _write(found, out, batch=args.batch)
    if args.out is not None:
        said = {"events": count, "file": str(args.out), "format": args.format}
        print(json.dumps(said) if args.json else f"{count} events are in {args.out}")
    return 0


async def _begun(found: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same, its first one read: what is wrong is told before anything is written."""
    first = await anext(found, None)

    async def whole() -> AsyncIterator[bytes]:
        if first is not None:
            yield first
        async for one in found:
            yield one

    return whole()


async def _write(found: AsyncIterator[bytes], out: IO[bytes], *, batch: bool) -> int:
    """Line by line, or as an array with a line for each element."""
    count = 0
    out.write(b"[" if batch else b"")
    async for one in found:
        out.write((b",\n" if count else b"\n") + one if batch else one + b"\n")
        count += 1
    out.write(b"\n]\n" if batch else b"")
    out.flush()
    return count


async def export(settings: Settings, *, after: int, until: int | None) -> AsyncIterator[bytes]:
    """JSON lines for every event behind `after`, up to `until`."""
    end = None if until is None else Moment("", position=until)
    wanted = Wanted(Moment("", position=after), end)
    async with aclosing(lines(settings, wanted, "jsonl")) as found:
        async for one in found:
            yield one


async def lines(settings: Settings, wanted: Wanted, form: str) -> AsyncGenerator[bytes, None]:
    async with opened(settings) as (log, past):
        source = await _source(log) if form == "cloudevents" and await log.position() else ""
        async for page in _pages(log, past, wanted):
            for row, previous in page:
                if form == "cloudevents":
                    yield msgspec.json.encode(cloud_event(row, previous, source))
                else:
                    yield line(codec.decode(row))


async def _pages(
    log: Log, past: History, wanted: Wanted
) -> AsyncIterator[list[tuple[Stored, int]]]:
    """The rows that are wanted, page by page, each with the position of the row before it."""
    check_kinds(wanted.kinds, AGGREGATES)
    now_ms = SystemClock().now_ms()
    after = await (wanted.after or Moment("@0", position=0)).resolve(log, now_ms)
    until = await (wanted.until or Moment("now")).resolve(log, now_ms)
    account = None
    if wanted.account:
        cloud = await past.until(until)
        account = await find(log, [cloud], "account", wanted.account, until, alone=True)
    previous = await _last_before(log, after)
    while page := await log.read_stored(after, until=until):
        befores = [previous, *(row.position for row in page)]
        pairs = zip(page, befores, strict=False)
        yield [pair for pair in pairs if _is_wanted(pair[0], wanted.kinds, account)]
        after = previous = page[-1].position


async def _last_before(log: Log, after: int) -> int:
    """The position of the last row at or before this one, where positions may have holes."""
    step = 1
    while after:
        if found := await log.read_stored(max(0, after - step), until=after, limit=step):
            return found[-1].position
        if step > after:
            break
        step *= 8
    return 0


def _is_wanted(row: Stored, kinds: tuple[str, ...], account: UUID | None) -> bool:
    if kinds and row.topic.partition(".")[0] not in kinds:
        return False
    return account is None or codec.envelope(row).acct == account


async def _source(log: Log) -> str:
    from engine.cluster.relay import source_of

    return await source_of(log)


def cloud_event(row: Stored, previous: int, source: str) -> dict[str, Any]:
    """A row in CloudEvents' JSON format (version 1.0): as its record in Kafka has it.

    Extensions stay text, as they are there: CloudEvents' integers have 32 bits.
    """
    headers = record(row, previous, source).headers
    told: dict[str, Any] = {name.removeprefix("ce_"): value.decode() for name, value in headers}
    told["datacontenttype"] = told.pop("content-type")
    return told | {"data": msgspec.Raw(row.state)}


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


async def export_parquet(settings: Settings, wanted: Wanted, path: Path) -> int:
    """Write a Parquet file, a row group at a time; gives how many events are in it."""
    if importlib.util.find_spec("pyarrow") is None:
        raise BadSetting(
            "Parquet needs pyarrow, which is not installed: pip install 'sagastack[parquet]', or "
            "pip install --require-hashes -r requirements-parquet.txt"
        )
    from sagastack.parquet import ParquetFile

    count = 0
    async with opened(settings) as (log, past):
        with whole_file(path) as whole, ParquetFile(whole) as file:
            waiting: list[Stored] = []
            async for page in _pages(log, past, wanted):
                waiting += (row for row, _ in page)
                while len(waiting) >= ROW_GROUP_EVENTS:
                    file.write(waiting[:ROW_GROUP_EVENTS])
                    del waiting[:ROW_GROUP_EVENTS]
                    count += ROW_GROUP_EVENTS
            if waiting:
                file.write(waiting)
                count += len(waiting)
    return count
