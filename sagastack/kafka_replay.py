"""A log built anew from Kafka alone, proved, and compared with the one that is served.

Records hold the rows' own bytes, so the copy is the same log: seals verify against it, and it folds
into the same cloud. It is written into an empty store, all of it or nothing.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.clock import SystemClock
from engine.cluster.kafka_rows import KafkaRows
from engine.cluster.topics import Topics
from engine.collector import settle
from engine.log import LogError, LogUnavailable, Stored
from engine.log.store import sqlite_path
from engine.nouns import load
from projections.cloud import Cloud
from sagastack.backups.sources import Chain, Source, chain
from sagastack.backups.targets import Target, target
from sagastack.proofs.whole import EVERY, Say, Verified, prove
from sagastack.settings import BadSetting, Settings
from sagastack.tools.opened import opened

BATCH_ROWS = 5_000
AHEAD = 8
"""So many batches are read beside the one that is written."""
SILENT_S = 90.0
"""How long nothing may come before it is given up; a gap is told of earlier, by the reader."""


@dataclass(slots=True)
class Rebuilt:
    """`behind` is how many positions the served log is ahead of Kafka; None: there is none here."""

    into: str
    events: int
    seconds: float
    proved: Verified
    behind: int | None = None
    differing: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.faults and not self.differing

    def told(self) -> dict[str, object]:
        """For programs."""
        return self.proved.told() | {
            "ok": self.ok,
            "into": self.into,
            "events": self.events,
            "seconds": round(self.seconds, 3),
            "behind": self.behind,
            "differing": self.differing,
            "faults": self.faults,
            "notes": self.notes,
        }


async def rebuild(
    settings: Settings,
    servers: str,
    topics: Topics,
    into: str,
    *,
    seals: Path | None = None,
    say: Say = lambda _: None,
) -> Rebuilt:
    """Read, write, prove, compare."""
    load("aggregates", "projections", "engine.decisions", "engine.sagas")
    kept = chain(seals) if seals else Chain([], "")
    if seals and not kept.seals:
        raise BadSetting(f"{seals} holds no seals: name the folder of your copy of seals.jsonl")
    store = target(into)
    if await asyncio.to_thread(store.end):
        raise BadSetting(f"{store.name} holds a log: replay into an empty store only")
    settle()
    began = time.perf_counter()
    reader = KafkaRows(servers, topics.events, SystemClock(), batch_rows=BATCH_ROWS)
    events = await copy(reader, store, say=say)
    seconds = time.perf_counter() - began
    if not events:
        raise LogUnavailable(
            f"topic {topics.events} at {servers} holds no event: is the prefix of the topics right?"
        )
    proved = await asyncio.to_thread(_prove, into, kept)
    done = Rebuilt(store.name, events, seconds, proved, notes=proved.notes)
    done.faults += proved.faults
    await _compare(settings, into, done)
    return done


async def copy(reader: KafkaRows, into: Target, *, say: Say = lambda _: None) -> int:
    """All rows that are in Kafka now, into an empty store; how many there were."""
    async with aclosing(reader.batches(0, to_end=True)) as batches:
        handing = _Handing(reader.name, batches, say)
        writing = asyncio.get_running_loop().run_in_executor(None, into.write, handing.rows())
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            handing.stop()
            with suppress(LogError):
                await writing
            raise
        finally:
            await handing.ended()
    return handing.count


class _Handing:
    """Hands what is read on the loop to the thread that writes; a failed reading fails both.

    While the thread writes, the loop reads on: what the broker gives at a time is little beside
    what is written at a time.
    """

    def __init__(self, name: str, batches: AsyncIterator[list[Stored]], say: Say) -> None:
        self._name, self._batches, self._say = name, batches, say
        self._loop = asyncio.get_running_loop()
        self._asked: deque[concurrent.futures.Future[list[Stored]]] = deque()
        self._stopped, self._reading = False, 0
        self._turn, self._idle = asyncio.Lock(), asyncio.Event()
        self._idle.set()
        self.count = 0

    def stop(self) -> None:
        self._stopped = True
        for one in list(self._asked):
            one.cancel()

    async def ended(self) -> None:
        """Returns when nothing is read any more."""
        self.stop()
        await self._idle.wait()

    def rows(self) -> Iterator[Stored]:
        """Called by the writing thread."""
        for _ in range(AHEAD):
            self._ask_for_more()
        while batch := self._answer(self._asked[0]):
            self._asked.popleft()
            self._ask_for_more()
            before, self.count = self.count, self.count + len(batch)
            if self.count // EVERY > before // EVERY:
                self._say(self.count)
            yield from batch

    def _ask_for_more(self) -> None:
        if self._stopped:
            raise LogUnavailable("the replay was stopped: nothing was written")
        self._asked.append(asyncio.run_coroutine_threadsafe(self._read(), self._loop))

    def _answer(self, asked: concurrent.futures.Future[list[Stored]]) -> list[Stored]:
        try:
            return asked.result()
        except (TimeoutError, concurrent.futures.CancelledError) as silent:
            raise LogUnavailable(
                f"{self._name} gave nothing for {SILENT_S:.0f} s, and nothing was written: does "
                "Kafka run, and is the topic there?"
            ) from silent

    async def _read(self) -> list[Stored]:
        """The next batch, for whoever asked first; none behind the last one."""
        self._reading += 1
        self._idle.clear()
        try:
            async with self._turn, asyncio.timeout(SILENT_S):
                return await anext(self._batches, [])
        finally:
            self._reading -= 1
            if not self._reading:
                self._idle.set()


def _prove(into: str, kept: Chain) -> Verified:
    with Source(into) as source:
        return prove(source.rows(), kept.seals, kept.public_key, needs_seals=bool(kept.seals))


async def _compare(settings: Settings, into: str, done: Rebuilt) -> None:
    """The fold of the copy against that of the served log at the same position."""
    async with opened(replace(settings, store=into)) as (_, past):
        ours = await past.rebuild()
    if not is_there(settings):
        done.notes.append(f"there is no log in {settings.home} to compare with (--home, --store)")
        return
    async with opened(settings) as (log, past):
        end = await log.position()
        live: Cloud = await (past.latest() if end == ours.position else past.rebuild(ours.position))
    done.behind = end - ours.position
    if done.behind < 0:
        done.faults.append(
            f"Kafka goes on up to position {ours.position}, the served log ends at {end}: they are "
            "not of one cloud, or the served log was put back to an earlier moment"
        )
        return
    digests, others = ours.digest(), live.digest()
    done.differing = sorted(
        name for name in digests | others if digests.get(name) != others.get(name)
    )


def is_there(settings: Settings) -> bool:
    """Is there a served log to compare with?"""
    url = settings.store_url
    return not url.startswith("sqlite:") or Path(sqlite_path(url)).exists()
