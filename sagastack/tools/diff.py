"""What changed in the cloud between two moments: what came, went and changed, by whom and how.

Two folds are compared row by row, so nothing that was undone in between is told. Who did it is
read from the stream of each row that differs; rows are told one at a time, and above `ROWS_MAX`
of them only their counts are, unless all are asked for.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec

from aggregates.base import Recorded
from aggregates.errors import NotFound
from engine.clock import SystemClock
from engine.history import History
from engine.log import Log, codec
from projections.cloud import Cloud
from projections.table import TABLES
from sagastack.commands import Commands
from sagastack.settings import Settings
from sagastack.tools.moments import Moment, iso
from sagastack.tools.naming import check_kinds, find
from sagastack.tools.opened import opened
from sagastack.tools.telling import Cause, Teller

ROWS_MAX = 500
UNTOLD = ("id", "version", "created_at_ms")
JOBS = "saga"
CAME, WENT, CHANGED = "came", "went", "changed"
MARKS = {CAME: "+", WENT: "-", CHANGED: "~"}
SHORT = 60


@dataclass(frozen=True, slots=True)
class Changed:
    """One row that is not as it was. `fields` are before and after, by name."""

    kind: str
    how: str
    id: UUID
    name: str
    fields: dict[str, tuple[Any, Any]]
    causes: list[tuple[Cause, str, list[str]]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "change": self.how,
            "id": str(self.id),
            "name": self.name,
            "fields": {k: {"before": a, "after": b} for k, (a, b) in self.fields.items()},
            "causes": [
                {
                    "at": at,
                    "by": cause.by,
                    "command": cause.command,
                    "job": cause.job,
                    "job_id": cause.job_id,
                    "events": topics,
                }
                for cause, at, topics in self.causes
            ],
        }


@dataclass(frozen=True, slots=True)
class Filter:
    """Jobs are left out unless they are asked for: they say why, and are told with each row."""

    kinds: tuple[str, ...] = ()
    account: str = ""

    def tables(self) -> list[str]:
        check_kinds(self.kinds, TABLES)
        return sorted(self.kinds or set(TABLES) - {JOBS})


class Difference:
    """Two clouds of one log, `before` and `after`."""

    def __init__(
        self,
        log: Log,
        past: History,
        before: Cloud,
        after: Cloud,
        kinds: list[str],
        account: UUID | None,
    ) -> None:
        self.before, self.after = before, after
        self._log, self._kinds, self._account = log, kinds, account
        self.teller = Teller(log, past, after)

    def counts(self) -> dict[str, Counter[str]]:
        """How many came, went and changed, by kind; kinds without any are left out."""
        counts: dict[str, Counter[str]] = {}
        for kind, how, _, _ in self._pairs():
            counts.setdefault(kind, Counter())[how] += 1
        return counts

    async def rows(self) -> AsyncIterator[Changed]:
        """Each difference with what made it, kind by kind."""
        for kind, how, old, new in self._pairs():
            row = new if new is not None else old
            changed = Changed(kind, how, row.id, str(getattr(row, "name", "")), _fields(old, new))
            behind = old.version if old is not None else 0
            recorded = await self._log.read_stream(row.id, after=behind)
            await self._explain(changed, recorded)
            yield changed

    async def requests(self) -> Counter[tuple[str, str]]:
        """How often who asked for what in between, the most frequent first."""
        asked: Counter[tuple[UUID | None, str]] = Counter()
        after, until = self.before.position, self.after.position
        while page := await self._log.read_stored(after, until=until):
            for one in map(codec.envelope, page):
                if one.do and self._account in (None, one.acct):
                    asked[(one.by, one.do)] += 1
            after = page[-1].position
        told: Counter[tuple[str, str]] = Counter()
        for (user, action), count in asked.items():
            by = await self.teller.name("user", user) if user is not None else "the system"
            told[(by, action)] += count
        return told

    def _pairs(self) -> Iterator[tuple[str, str, Any, Any]]:
        """Kind, how, the row before and the row after, for every row that is not as it was."""
        for kind in self._kinds:
            olds, news = self.before.table(kind), self.after.table(kind)
            for old in olds:
                new = news.get(old.id)
                if self._is_meant(kind, old, new):
                    if new is None:
                        yield kind, WENT, old, None
                    elif _fields(old, new):
                        yield kind, CHANGED, old, new
            for new in news:
                if new.id not in olds and self._is_meant(kind, None, new):
                    yield kind, CAME, None, new

    def _is_meant(self, kind: str, *rows: Any) -> bool:
        if self._account is None:
            return True
        owner = "id" if kind == "account" else "account_id"
        return any(getattr(row, owner, None) == self._account for row in rows)

    async def _explain(self, changed: Changed, recorded: list[Recorded]) -> None:
        """The requests that made the difference, each once, with what they did to this row."""
        told: dict[tuple[str, str, str], tuple[Cause, str, list[str]]] = {}
        for one in recorded:
            if one.position > self.after.position:
                break
            cause = await self.teller.cause(one)
            key = (cause.by, cause.command, cause.job_id)
            topics = told.setdefault(key, (cause, iso(one.at_ms), []))[2]
            if one.topic not in topics:
                topics.append(one.topic)
        changed.causes.extend(told.values())


def _fields(old: Any, new: Any) -> dict[str, tuple[Any, Any]]:
    """What differs, as plain values. A row that came has its fields set from nothing."""
    if old is not None and new is not None and old == new:
        return {}
    names = (new if new is not None else old).__struct_fields__
    values = ((name, getattr(old, name, None), getattr(new, name, None)) for name in names)
    return {
        name: (msgspec.to_builtins(before), msgspec.to_builtins(after))
        for name, before, after in values
        if before != after and name not in UNTOLD
    }


@asynccontextmanager
async def difference(
    settings: Settings, since: Moment, until: Moment, what: Filter
) -> AsyncIterator[Difference]:
    """The difference between two moments of the log that the settings name."""
    async with opened(settings) as (log, past):
        async with between(log, past, since, until, what) as found:
            yield found


@asynccontextmanager
async def between(
    log: Log, past: History, since: Moment, until: Moment, what: Filter
) -> AsyncIterator[Difference]:
    now_ms = SystemClock().now_ms()
    first, last = await since.resolve(log, now_ms), await until.resolve(log, now_ms)
    if first > last:
        raise NotFound(f"{since.text} (@{first}) is after {until.text} (@{last}): swap them")
    kinds, before, after = what.tables(), await past.until(first), await past.until(last)
    account = None
    if what.account:
        account = await find(log, [before, after], "account", what.account, last)
    yield Difference(log, past, before, after, kinds, account)


def add(commands: Commands) -> None:
    one = commands.command(
        "diff",
        _run,
        "what changed in the cloud between two moments, by whom and by which command or action",
        example="""sagastack diff --from -2h
            sagastack diff --from 2026-01-31T10:00:00Z --to 2026-01-31T11:00:00Z --kind vm
            sagastack diff --from @1200 --to @1300 --account acme --json""",
    )
    moment = "a time, @position, or -2h"
    one.add_argument(
        "--from", dest="since", type=Moment.parse, required=True, metavar="T1", help=moment
    )
    one.add_argument(
        "--to", type=Moment.parse, default=Moment("now"), metavar="T2", help=f"{moment} (now)"
    )
    one.add_argument("--kind", action="append", default=[], help="only this noun; repeatable")
    one.add_argument("--account", default="", help="only what this account owns: name or id")
    one.add_argument("--all", action="store_true", help=f"every row, however many ({ROWS_MAX})")


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    what = Filter(tuple(args.kind), args.account)
    async with difference(settings, args.since, args.to, what) as found:
        await tell(found, as_json=args.json, everything=args.all)
    return 0


async def tell(found: Difference, *, as_json: bool, everything: bool) -> None:
    """Write a difference to stdout, row by row."""
    counts = found.counts()
    whole = everything or sum(map(Counter.total, counts.values())) <= ROWS_MAX
    if as_json:
        await _tell_json(found, counts, whole)
    else:
        await _tell_people(found, counts, whole)


async def _tell_json(found: Difference, counts: dict[str, Counter[str]], whole: bool) -> None:
    """One document, written piece by piece: it need not fit into memory here."""
    head = {
        "from": _moment(found.before),
        "to": _moment(found.after),
        "counts": counts,
        "requests": [
            {"by": by, "action": action, "count": count}
            for (by, action), count in (await found.requests()).most_common()
        ],
        "complete": whole,
    }
    sys.stdout.write(json.dumps(head)[:-1] + ', "changes": [')
    if whole:
        comma = ""
        async for row in found.rows():
            sys.stdout.write(f"{comma}\n{json.dumps(row.as_dict())}")
            comma = ","
    sys.stdout.write("]}\n")


def _moment(cloud: Cloud) -> dict[str, Any]:
    return {"position": cloud.position, "at": iso(cloud.at_ms) if cloud.position else None}


async def _tell_people(found: Difference, counts: dict[str, Counter[str]], whole: bool) -> None:
    first, last = found.before, found.after
    since = f"{iso(first.at_ms)} (@{first.position})" if first.position else "the beginning"
    print(f"from {since} to {iso(last.at_ms) if last.position else 'then'} (@{last.position})")
    for kind, of_kind in counts.items():
        print(
            f"  {kind:<24} " + ", ".join(f"{of_kind[how]} {how}" for how in MARKS if of_kind[how])
        )
    if not counts:
        print("  nothing changed")
    if not whole:
        print("who asked for what:")
        for (by, action), count in (await found.requests()).most_common(20):
            print(f"  {count:>8} {action} by {by}")
        print("too many to tell each: narrow with --kind, --account or --to, or ask for --all")
        return
    kind = ""
    async for row in found.rows():
        if row.kind != kind:
            kind = row.kind
            print(f"\n{kind}")
        for line in await _lines(found, row):
            print(line)


async def _lines(found: Difference, row: Changed) -> list[str]:
    """One row for a person: what it is, what changed, and who did it."""
    lines = [f"  {MARKS[row.how]} {row.name or row.id}" + (f"  {row.id}" if row.name else "")]
    if row.how == CHANGED:
        for name, (before, after) in row.fields.items():
            was = await _shown(found, name, before)
            lines.append(f"      {name}: {was} -> {await _shown(found, name, after)}")
    for cause, at, topics in row.causes:
        lines.append(f"      {at} {cause}  [{', '.join(topics)}]")
    if not row.causes:
        lines.append("      with what it belonged to")
    return lines


async def _shown(found: Difference, name: str, value: Any) -> str:
    """A value on one short line; an id by the name of what it names."""
    kind = name.removesuffix("_id")
    if isinstance(value, str) and name.endswith("_id") and kind in TABLES:
        called = await found.teller.name(kind, UUID(value))
        return called if called == value else f"{called} ({value[:8]})"
    text = value if isinstance(value, str) and value else json.dumps(value)
    return text if len(text) <= SHORT else f"{text[: SHORT - 3]}..."
