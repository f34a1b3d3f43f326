"""Whether this release can go on with a log that another one wrote.

There is nothing to migrate: events are never rewritten, and old shapes are lifted as they are
read. So an upgrade is safe where every topic and shape is known here, every event can be read and
folded, a checkpoint made half-way says the same as the whole log, and every job that is under way
has its steps here.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec

from aggregates.base import EVENTS, Recorded
from engine.log import Log, Stored, Unreadable, codec
from projections.cloud import Cloud
from projections.saga import saga_runs
from sagastack.commands import Commands
from sagastack.settings import Settings
from sagastack.tools.opened import opened

TOLD_MAX = 20
NEWER = "it was written by a newer release: start that one on this store, not this one"
DAMAGED = "run `sagastack verify`; if the log is damaged, restore it from a backup"
BUG = "do not upgrade; report this with the event's topic and shape"
UNFINISHED = "start the release that began it, let the job end (listAsyncJobs), then upgrade"
BROKEN = (AssertionError, AttributeError, LookupError, TypeError, ValueError)


@dataclass(slots=True)
class Checked:
    """`faults` name what is wrong and what to do; without any, this release can go on."""

    events: int = 0
    topics: int = 0
    lifted: int = 0
    unfinished: int = 0
    faults: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {
            "ok": not self.faults,
            "events": self.events,
            "topics": self.topics,
            "lifted": self.lifted,
            "unfinished_jobs": self.unfinished,
            "faults": self.faults,
        }


class Shapes:
    """What the rows of a log look like, counted by topic and shape: no row is kept."""

    def __init__(self) -> None:
        self.seen: Counter[tuple[str, int]] = Counter()
        self._first: dict[tuple[str, int], int] = {}
        self._unreadable: list[str] = []
        self._unreadable_count = 0

    def look_at(self, row: Stored) -> None:
        try:
            shape = (row.topic, codec.envelope(row).v)
            self.seen[shape] += 1
            self._first.setdefault(shape, row.position)
            if self._is_known(*shape):
                codec.decode(row)
        except (Unreadable, *BROKEN) as wrong:
            self._unreadable_count += 1
            if len(self._unreadable) < TOLD_MAX:
                self._unreadable.append(f"{wrong}: {DAMAGED}")

    @staticmethod
    def _is_known(topic: str, shape: int) -> bool:
        kind = EVENTS.get(topic)
        return kind is not None and 1 <= shape <= kind.VERSION

    def lifted(self) -> int:
        """How many are of an older shape than this release writes."""
        known = {topic: kind.VERSION for topic, kind in EVENTS.items()}
        return sum(
            count for (topic, shape), count in self.seen.items() if shape < known.get(topic, 0)
        )

    def faults(self) -> list[str]:
        told = [
            f"{count} events have the topic {topic} in shape {shape}, which is not known here "
            f"(the first at position {self._first[(topic, shape)]}): {NEWER}"
            for (topic, shape), count in sorted(self.seen.items())
            if not self._is_known(topic, shape)
        ]
        more = self._unreadable_count - len(self._unreadable)
        return told + self._unreadable + ([f"and {more} more that cannot be read"] if more else [])


def add(commands: Commands) -> None:
    one = commands.command(
        "upgrade",
        _run,
        "whether this release can go on with a log that an earlier one wrote",
        example="""sagastack upgrade --check
            sagastack upgrade --check --store postgres://cloud@db/sagastack --json""",
    )
    one.add_argument(
        "--check",
        action="store_true",
        required=True,
        help="look and change nothing: nothing is to be done, as old events are read as they are",
    )


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    async with opened(settings) as (log, _):
        done = await check(log)
    if args.json:
        print(json.dumps(done.as_dict()))
    else:
        print(
            f"{done.events} events of {done.topics} topics, {done.lifted} in older shapes, "
            f"{done.unfinished} jobs under way"
        )
        for line in done.faults:
            print(f"FAULT: {line}")
        print("this release can go on with it" if not done.faults else "this release can NOT")
    return 1 if done.faults else 0


async def check(log: Log) -> Checked:
    """Look at every row up to the end that is found; a server may go on writing meanwhile."""
    end, after, shapes = await log.position(), 0, Shapes()
    while page := await log.read_stored(after, until=end):
        for row in page:
            shapes.look_at(row)
        after = page[-1].position
    done = Checked(
        events=shapes.seen.total(),
        topics=len({topic for topic, _ in shapes.seen}),
        lifted=shapes.lifted(),
        faults=shapes.faults(),
    )
    if not done.faults:
        await _fold(log, end, done)
    return done


async def _fold(log: Log, end: int, done: Checked) -> None:
    """Fold all of it twice, once by way of a checkpoint half-way, and compare."""
    straight, by_checkpoint = Cloud(), Cloud()
    middle = end // 2
    async for batch in log.read(until=end):
        for recorded in batch:
            if recorded.position > middle and by_checkpoint.position <= middle:
                by_checkpoint = _reloaded(by_checkpoint, done)
            if not (_folds(straight, recorded, done) and _folds(by_checkpoint, recorded, done)):
                return
    ours, theirs = straight.digest(), by_checkpoint.digest()
    done.faults += [
        f"{name} differs between the whole log and one by a checkpoint at {middle}: {BUG}"
        for name in sorted(ours)
        if ours[name] != theirs[name]
    ]
    from engine.engine import DECIDED
    from engine.saga import SAGAS

    for run in straight[saga_runs]:
        if not run.state.is_over:
            done.unfinished += 1
            if run.name not in SAGAS and run.name != DECIDED:
                done.faults.append(f"job {run.id} is a {run.name}, unknown here: {UNFINISHED}")


def _folds(cloud: Cloud, recorded: Recorded, done: Checked) -> bool:
    """Fold one event; what a fold stumbles over is told."""
    try:
        cloud.fold((recorded,))
    except BROKEN as wrong:
        what = f"position {recorded.position}: {recorded.topic} cannot be folded"
        done.faults.append(f"{what} ({type(wrong).__name__}: {wrong}): {DAMAGED}; else {BUG}")
        return False
    return True


def _reloaded(cloud: Cloud, done: Checked) -> Cloud:
    try:
        return Cloud.load(cloud.save())
    except (msgspec.MsgspecError, *BROKEN) as wrong:
        done.faults.append(f"a checkpoint at {cloud.position} cannot be read back ({wrong}): {BUG}")
        return cloud
