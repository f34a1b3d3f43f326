"""The log: every change of the cloud, in one order. An acknowledgement means that it is on disk.

A unit is encoded on the event loop, committed by the writer thread, folded by the listeners on
the loop, and only then acknowledged: whoever awaited it reads its own write. Times never run
backwards, whatever the clock does. Cancelling the wait does not take a unit back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar, cast
from uuid import UUID

from aggregates.base import Recorded
from aggregates.errors import Conflict
from engine.log import codec, past
from engine.log.errors import LogUnavailable
from engine.log.gathering import Gathering
from engine.log.lend import Lender
from engine.log.lock import FileLock
from engine.log.recent import Recent
from engine.log.store import Store, StoreDown, is_told, sqlite_path
from engine.log.stores import open_store
from engine.log.unit import LogStats, Outline, Selection, Stored, Unit
from engine.log.writer import Batch, Look, Pending, Writer

log_ = logging.getLogger("sagastack.log")

T = TypeVar("T")
Listener = Callable[[Sequence[Recorded]], None]
Answer = asyncio.Future[list[Recorded]]
# What reads a long past is made in the time that so many events take one by one.
SHORT = 10_000
# So many batches of a past are read before they are asked for.
AHEAD = 4
# Further ahead than clocks of controllers are apart.
AHEAD_MS = 600_000


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of a past, as text or as rows, which whoever folds it makes events of."""

    after: int
    until: int
    text: bytes = b""
    rows: Sequence[Stored] = ()

    def fold(self, fold: Listener) -> bool:
        """False, and nothing is folded, if its text is to be looked at row by row."""
        found = past.events(self.text) if self.text else codec.decode_all(self.rows)
        if found:
            fold(found)
        return found is not None


class Log:
    """An open log. Make one with `Log.open`; a read-only one stands beside a running server.

    `begins` is where it ended when it was opened: what listeners hear lies behind that.
    """

    def __init__(
        self, url: str, store: Store, reads: ThreadPoolExecutor, now_ms: Callable[[], int]
    ) -> None:
        self.url = url
        self.stats = LogStats()
        self._store, self._reads, self._now_ms = store, reads, now_ms
        self._loop = asyncio.get_running_loop()
        self._listeners: list[Listener] = []
        self._recent = Recent()
        self._lender = Lender(self._loop)
        self._gathering = Gathering[Pending](self._loop, self._put)
        self.begins = 0
        self._last_ms = 0
        self._closed, self._closing, self._out_of_step = "", False, ""
        self._writer: Writer | None = None
        self._written: asyncio.Future[None] = self._loop.create_future()
        self._write_store: Store | None = None
        self._lock: FileLock | None = None

    @classmethod
    async def open(cls, url: str, *, now_ms: Callable[[], int], read_only: bool = False) -> Log:
        """Open `sqlite:///abs/path/log.db` or `postgres://user:password@host:port/database`."""
        lock = None
        if not read_only and url.startswith("sqlite:"):
            lock = FileLock(Path(sqlite_path(url) + ".lock"))
        reads = ThreadPoolExecutor(1, "log-read")
        try:
            return await cls._open(url, now_ms, reads, lock, read_only)
        except BaseException:
            reads.shutdown(wait=False)
            if lock is not None:
                lock.release()
            raise

    @classmethod
    async def _open(
        cls,
        url: str,
        now_ms: Callable[[], int],
        reads: ThreadPoolExecutor,
        lock: FileLock | None,
        read_only: bool,
    ) -> Log:
        loop = asyncio.get_running_loop()
        try:
            store = await loop.run_in_executor(reads, partial(open_store, url, read_only=read_only))
            log = cls(url, store, reads, now_ms)
            log._lock = lock
            last = await log.read_stored(await log.position() - 1, limit=1)
            log._last_ms = codec.at_ms(last[-1]) if last else 0
            log.begins = last[-1].position if last else 0
            if not read_only:
                log._write_store = await loop.run_in_executor(reads, open_store, url)
                log._writer = await loop.run_in_executor(
                    reads, Writer, log._write_store, log._from_thread, log._ended, log._last_ms
                )
                log.begins = log._writer.begins
                log._writer.start()
                log._look_at_the_clock()
        except StoreDown as down:
            raise LogUnavailable(f"the log cannot be opened: {down}") from down
        return log

    def _look_at_the_clock(self) -> None:
        """Times never run backwards along the log, so one far ahead is told: it stays for long."""
        if (ahead_ms := self._last_ms - self._now_ms()) > AHEAD_MS:
            log_.warning(
                "the last event of %s is %d s ahead of this clock: until then events carry that "
                "moment's time. Is the clock wrong now, or was it then?",
                self._store.name,
                ahead_ms // 1000,
            )

    # -- writing ----------------------------------------------------------------------------

    async def append(self, unit: Unit) -> list[Recorded]:
        """Commit a unit; returns when it is on disk and every listener has folded it."""
        return await self.submit(unit)

    def submit(self, unit: Unit) -> Answer:
        """Queue a unit and return at once. Units are committed in the order of these calls."""
        stopped = self._closed or self._out_of_step
        if self._writer is None or stopped:
            raise LogUnavailable(stopped or "this log was opened read-only")
        _check(unit)
        at_ms = max(self._now_ms(), self._last_ms)
        encoded = codec.encode(unit, at_ms)
        self._last_ms = at_ms
        answer: Answer = self._loop.create_future()
        self._gathering.add(Pending(unit, at_ms, encoded, answer))
        return answer

    def _put(self, units: Sequence[Pending]) -> None:
        """Give units to the writer."""
        assert self._writer is not None
        for one in units:
            self._lender.begin()
            self._writer.put(one)

    async def look(self, rows: Sequence[Stored] = ()) -> None:
        """Fold what other controllers wrote, up to the end that the store has at this moment.

        `rows` that somebody has read already, in log order, spare the question.
        """
        if self._writer is None or self._closed or self._out_of_step:
            raise LogUnavailable(self._closed or self._out_of_step or "opened read-only")
        answer: Answer = self._loop.create_future()
        self._gathering.flush()
        self._lender.begin()
        self._writer.put(Look(answer, rows))
        await answer

    def listen(self, listener: Listener) -> None:
        """Call `listener` on the loop with each new event once, in log order, before its answer.

        A listener that raises has lost step with the truth, so the log takes nothing more.
        """
        self._listeners.append(listener)

    def _from_thread(self, batch: Batch) -> None:
        self._loop.call_soon_threadsafe(self._deliver, batch)

    def _ended(self) -> None:
        self._loop.call_soon_threadsafe(self._set_ended)

    def _set_ended(self) -> None:
        """The thread is gone: on request, or by a bug, and then nobody may wait for ever."""
        self._closed = self._closed or "the writer thread failed: restart the controller"
        self._gathering.flush()
        if self._writer is not None and (left := self._writer.left()):
            for one in left:
                one.answer = LogUnavailable(self._closed)
            units = [one for one in left if isinstance(one, Pending)]
            self._deliver(Batch(units, [one for one in left if isinstance(one, Look)]))
        if not self._written.done():
            self._written.set_result(None)

    def _deliver(self, batch: Batch) -> None:
        """Fold first, then answer, whatever the folding did."""
        self._lender.alive()
        self._gathering.served(len(batch.units))
        self._count(batch)
        self._recent.add(batch.rows)
        try:
            if batch.recorded and not self._out_of_step:
                self._fold(batch.recorded)
        finally:
            waited: list[Pending | Look] = [*batch.units, *batch.looks]
            for one in waited:
                self._lender.end()
                self._resolve(cast(Answer, one.ticket), one.answer)

    def _fold(self, recorded: Sequence[Recorded]) -> None:
        self._last_ms = max(self._last_ms, recorded[-1].at_ms)
        folded = False
        try:
            for listener in self._listeners:
                listener(recorded)
            folded = True
        finally:
            if not folded:
                self._out_of_step = (
                    f"a listener failed on positions {recorded[0].position} to "
                    f"{recorded[-1].position}, which are on disk: restart the controller, "
                    "which folds them again"
                )

    def _resolve(self, waiting: Answer, answer: list[Recorded] | Exception | None) -> None:
        if waiting.done():  # Its caller gave up.
            return
        if isinstance(answer, Exception):
            waiting.set_exception(answer)
        elif self._out_of_step or answer is None:
            waiting.set_exception(LogUnavailable(self._out_of_step or "the writer gave no answer"))
        else:
            waiting.set_result(answer)

    def _count(self, batch: Batch) -> None:
        stats, done = self.stats, sum(isinstance(p.answer, list) for p in batch.units)
        stats.batches += bool(batch.units)
        stats.units += done
        stats.conflicts += sum(isinstance(p.answer, Conflict) for p in batch.units)
        stats.unavailable += sum(isinstance(p.answer, LogUnavailable) for p in batch.units)
        stats.events += len(batch.recorded)
        stats.size_bytes += batch.size_bytes
        stats.last_batch_events, stats.last_batch_s = len(batch.recorded), batch.duration_s
        waiting = self._writer.depth() if self._writer else 0
        stats.queue_depth = waiting + len(self._gathering)

    # -- reading ----------------------------------------------------------------------------

    async def read(
        self, after: int = 0, *, until: int | None = None, batch: int = 5_000
    ) -> AsyncIterator[list[Recorded]]:
        """The events behind `after` in log order, in batches, up to the end that is found."""
        while after < (2**63 if until is None else until):
            found = await self._ask(partial(self._decoded, after, until, batch))
            if not found:
                return
            yield found
            after = found[-1].position

    async def fold_past(
        self,
        fold: Listener,
        *,
        after: int = 0,
        until: int | None = None,
        selected: Selection | None = None,
        batch: int = 4_000,
    ) -> None:
        """Hand `fold` the events behind `after` in batches, at half of what `read` costs; for folds
        that read much, and keep no event's own record. With `selected`, only those.

        It is called in a thread, which makes the events too: it then finds them in the cache of its
        processor. Meanwhile the next ones are read.
        """
        end = await self.position() if until is None else until
        starts, coming = iter(range(after, end, batch)), deque[asyncio.Future[Page]]()
        read = self._rows_of if end - after < SHORT else self._text_of

        def ask(count: int) -> None:
            for behind in islice(starts, count):
                asked = partial(read, behind, min(behind + batch, end), selected)
                coming.append(self._asked(asked))

        ask(AHEAD)
        try:
            while coming:
                page = await self._told(coming.popleft())
                ask(1)
                if not await asyncio.to_thread(page.fold, fold):
                    page = await self._ask(partial(self._rows_of, page.after, page.until, selected))
                    await asyncio.to_thread(page.fold, fold)
        finally:
            if coming:
                await asyncio.wait(coming)

    def _text_of(self, after: int, until: int, selected: Selection | None) -> Page:
        text = self._store.joined(after, until, until - after, selected)
        return Page(after, until, text=text)

    def _rows_of(self, after: int, until: int, selected: Selection | None) -> Page:
        """The same row by row, which says what is wrong with one."""
        rows = self._store.rows(after, until, until - after)
        if selected is not None:
            rows = [row for row in rows if is_told(row, selected)]
        return Page(after, until, rows=rows)

    def _decoded(self, after: int, until: int | None, limit: int) -> list[Recorded]:
        return codec.decode_all(self._store.rows(after, until, limit))

    async def read_stream(self, stream: UUID, *, after: int = 0) -> list[Recorded]:
        """One stream's events behind a version."""
        return await self._ask(lambda: codec.decode_all(self._store.stream(stream, after)))

    async def outline(self, topics: Sequence[str], after: int, until: int) -> list[Outline]:
        """The rows of some topics behind `after`, up to and including `until`, without states."""
        return await self._ask(partial(self._store.outline, topics, after, until))

    async def read_stored(
        self, after: int = 0, *, until: int | None = None, limit: int = 5_000
    ) -> list[Stored]:
        """Rows as they lie on disk, behind `after`, at most `limit`; fewer only at the end."""
        found = self._recent.behind(after, until, limit)
        if len(found) == limit or (found and (found[-1].position == until or not self.shared)):
            return list(found)
        return await self._ask(partial(self._store.rows, after, until, limit))

    async def read_next(self, after: int, *, limit: int = 5_000) -> list[Stored]:
        """The same for who follows: fewer than `limit` need not be the last, none is the end.

        What this process knows already is told without asking the store.
        """
        found = self._recent.behind(after, None, limit)
        return list(found) or await self.read_stored(after, limit=limit)

    async def position(self) -> int:
        """The position of the last event on disk; 0 when there is none."""
        return await self._ask(self._store.end)

    async def position_at(self, at_ms: int) -> int:
        """The last position recorded at or before a time; 0 if there is none."""
        return await self._ask(partial(_search, self._store, at_ms))

    @property
    def fault(self) -> str:
        """Why it takes nothing more until the controller is restarted; empty while it may."""
        return self._out_of_step or ("" if self._closing else self._closed)

    @property
    def shared(self) -> bool:
        """Whether other controllers may write to it too."""
        return self._store.shared

    async def _ask(self, question: Callable[[], T]) -> T:
        return await self._told(self._asked(question))

    def _asked(self, question: Callable[[], T]) -> asyncio.Future[T]:
        """Ask the thread that reads; its answer comes whether or not somebody waits for it."""
        self._lender.begin()
        asked = self._loop.run_in_executor(self._reads, self._answer, question)
        asked.add_done_callback(lambda _: self._lender.end())
        return asked

    async def _told(self, asked: asyncio.Future[T]) -> T:
        try:
            return await asked
        except StoreDown as down:
            raise LogUnavailable(f"the log cannot be read now: {down}") from down

    def _answer(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except StoreDown:
            self._store.reset()
            raise

    async def close(self) -> None:
        """Commit what is queued, answer it, and let go of the files; twice is once."""
        if self._closing:
            return
        self._closing, self._closed = True, self._closed or "the log is closed"
        if self._writer is not None:
            self._gathering.flush()
            self._writer.stop()
            await self._written
        await self._loop.run_in_executor(self._reads, self._close_stores)
        self._reads.shutdown(wait=False)
        if self._lock is not None:
            self._lock.release()

    def _close_stores(self) -> None:
        for store in (self._store, self._write_store):
            if store is not None:
                store.close()


def _check(unit: Unit) -> None:
    streams = {append.stream.int for append in unit.appends}
    if not any(append.events for append in unit.appends):
        raise ValueError("a unit without events says nothing")
    if len(streams) != len(unit.appends):
        raise ValueError("a stream appears twice in one unit: join its events into one append")


def _search(store: Store, at_ms: int) -> int:
    """Bisect by position: times never run backwards along the log."""
    low, high = 0, store.end()
    while low < high:
        middle = (low + high + 1) // 2
        row = store.rows(middle - 1, None, 1)[0]
        if codec.at_ms(row) <= at_ms:
            low = row.position
        else:
            high = middle - 1
    return low
