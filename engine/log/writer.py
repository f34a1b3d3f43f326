"""One thread writes the log: it joins every unit that waits into one commit, then answers all.

Group commit (DeWitt and others, 1984): one fsync is shared by whoever waited while the last one
ran. The thread knows the last version of each stream, so a unit that expects another one is
refused alone and the rest of its batch is committed. Order is the queue's: a unit that was built
on a refused one expects a version that never came to be, and is refused too.

When the store fails, nothing is acknowledged. The thread asks the store what it really holds
before it writes again; rows that it did not know of are handed on like its own.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from aggregates.base import Recorded
from aggregates.errors import Conflict
from engine.log import codec
from engine.log.errors import LogUnavailable, Unreadable
from engine.log.guards import Guards
from engine.log.store import Clash, Store, StoreDown
from engine.log.unit import Stored, Unit

# Larger commits gain little, and the listeners fold a batch in one go on the event loop.
BATCH_EVENTS = 512
KNOWN_STREAMS = 65_536
CATCH_UP_ROWS = 5_000


class Pending:
    """A unit on its way to the disk: encoded, and stamped with its time."""

    __slots__ = ("answer", "at_ms", "encoded", "size", "ticket", "unit")

    def __init__(
        self, unit: Unit, at_ms: int, encoded: list[list[codec.Encoded]], ticket: object
    ) -> None:
        self.unit, self.at_ms, self.encoded, self.ticket = unit, at_ms, encoded, ticket
        self.size = sum(map(len, encoded))
        self.answer: list[Recorded] | Exception | None = None


@dataclass(slots=True)
class Batch:
    """What one turn did: the new events in log order, and the units with their answers."""

    units: Sequence[Pending]
    recorded: list[Recorded] = field(default_factory=list)
    duration_s: float = 0.0
    size_bytes: int = 0


class Writer:
    """The thread. `answer` is called on it with each batch; `finished` when it has ended."""

    def __init__(
        self, store: Store, answer: Callable[[Batch], None], finished: Callable[[], None]
    ) -> None:
        self._store, self._answer, self._finished = store, answer, finished
        self._queue: queue.SimpleQueue[Pending | None] = queue.SimpleQueue()
        self._heads: OrderedDict[UUID, int] = OrderedDict()
        self._end = store.end()
        self._guards = Guards()
        self._unsure = False
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, pending: Pending) -> None:
        self._queue.put(pending)

    def stop(self) -> None:
        """End after what is already queued."""
        self._queue.put(None)

    def depth(self) -> int:
        return self._queue.qsize()

    def left(self) -> list[Pending]:
        """What is still queued when the thread has ended."""
        left = []
        while not self._queue.empty():
            if (pending := self._queue.get_nowait()) is not None:
                left.append(pending)
        return left

    def _run(self) -> None:
        try:
            while (waiting := self._drain()) is not None:
                self._turn(waiting)
        finally:
            self._finished()

    def _drain(self) -> list[Pending] | None:
        """Wait for one unit and take with it all that wait behind it, up to a bound."""
        first = self._queue.get()
        if first is None:
            return None
        waiting, size = [first], first.size
        while size < BATCH_EVENTS:
            try:
                more = self._queue.get_nowait()
            except queue.Empty:
                break
            if more is None:
                self._queue.put(None)
                break
            waiting.append(more)
            size += more.size
        return waiting

    def _turn(self, waiting: list[Pending]) -> None:
        """Commit what may be committed; every unit has an answer afterwards."""
        began = time.perf_counter()
        batch = Batch(waiting)
        try:
            if self._unsure:
                self._catch_up(batch)
            self._write(self._admit(waiting), batch)
        except (StoreDown, Unreadable) as down:
            self._unsure = True
            self._store.reset()
            for pending in waiting:
                if pending.answer is None:
                    pending.answer = LogUnavailable(
                        f"nothing was acknowledged, ask again later: {down}"
                    )
        finally:
            batch.duration_s = time.perf_counter() - began
            self._answer(batch)

    def _admit(self, waiting: Sequence[Pending]) -> list[Pending]:
        """Those units whose expected versions are the real ones, given those admitted before."""
        planned: dict[UUID, int] = {}
        ready = []
        for pending in waiting:
            if (stream := self._guards.offended(pending.unit)) is not None:
                pending.answer = Conflict(
                    f"something came to rest on stream {stream} just now: decide again"
                )
                continue
            for append in pending.unit.appends:
                actual = planned.get(append.stream)
                if actual is None:
                    actual = self._head(append.stream, append.expected)
                if actual != append.expected:
                    pending.answer = _conflict(append.stream, append.expected, actual)
                    break
            else:
                for append in pending.unit.appends:
                    planned[append.stream] = append.expected + len(append.events)
                self._guards.note(pending.unit, self._end)
                ready.append(pending)
        return ready

    def _head(self, stream: UUID, expected: int) -> int:
        """A stream's last version. A stream said to be new is believed: its key is unique."""
        known = self._heads.get(stream)
        if known is None:
            if expected == 0 and not self._unsure:
                return 0
            known = self._store.head(stream)
            self._know(stream, known)
        return known

    def _know(self, stream: UUID, version: int) -> None:
        self._heads[stream] = version
        self._heads.move_to_end(stream)
        if len(self._heads) > KNOWN_STREAMS:
            self._heads.popitem(last=False)

    def _write(self, ready: Sequence[Pending], batch: Batch) -> None:
        """Commit these together; if they clash with rows that we did not know, one by one."""
        if not ready:
            return
        rows = self._rows(ready)
        try:
            try:
                positions = self._store.insert(rows)
            except StoreDown:
                positions = self._again(ready, rows, batch)
        except Clash as clash:
            self._apart(ready, batch, clash)
        else:
            self._accept(ready, rows, positions, batch)

    def _rows(self, ready: Sequence[Pending]) -> list[Stored]:
        rows, position = [], self._end
        for pending in ready:
            for append, encoded in zip(pending.unit.appends, pending.encoded, strict=True):
                for version, one in enumerate(encoded, append.expected + 1):
                    position += 1
                    rows.append(Stored(position, append.stream, version, one.topic, one.state))
        return rows

    def _accept(
        self,
        ready: Sequence[Pending],
        rows: Sequence[Stored],
        positions: Sequence[int],
        batch: Batch,
    ) -> None:
        if positions[0] != self._end + 1:
            self._catch_up(batch, until=positions[0] - 1)
        at = 0
        for pending in ready:
            unit, recorded = pending.unit, []
            action = unit.action
            for one in (one for encoded in pending.encoded for one in encoded):
                row = rows[at]
                recorded.append(
                    Recorded(
                        position=positions[at],
                        stream=row.stream,
                        version=row.version,
                        at_ms=pending.at_ms,
                        user=unit.user,
                        account=unit.account,
                        saga=unit.saga,
                        action=action,
                        event=one.event,
                    )
                )
                batch.size_bytes += len(row.state)
                action, at = "", at + 1
            for append in unit.appends:
                self._know(append.stream, append.expected + len(append.events))
            pending.answer = recorded
            batch.recorded.extend(recorded)
        self._end = positions[-1]

    def _again(self, ready: Sequence[Pending], rows: Sequence[Stored], batch: Batch) -> list[int]:
        """Once more after a failed commit, if it did not succeed after all."""
        self._unsure = True
        self._store.reset()
        first = rows[0]
        held = self._store.stream(first.stream, first.version - 1)
        if not (held and held[0].version == first.version and held[0].state == first.state):
            self._catch_up(batch)
            return self._store.insert(self._rows(ready))
        self._unsure = False
        found = self._store.rows(held[0].position - 1, None, len(rows))
        return [row.position for row in found]

    def _apart(self, ready: Sequence[Pending], batch: Batch, clash: Clash) -> None:
        """Unit by unit with the store's own versions, after a clash that none of ours explains."""
        for pending in ready:
            self._catch_up(batch)
            self._unsure = True  # New streams are looked up too.
            admitted = self._admit([pending])
            self._unsure = False
            if not admitted:
                continue
            rows = self._rows(admitted)
            try:
                self._accept(admitted, rows, self._store.insert(rows), batch)
            except Clash:
                append = pending.unit.appends[0]
                pending.answer = Conflict(
                    f"stream {append.stream} was written by somebody else just now ({clash}): "
                    "read it again and decide again"
                )

    def _catch_up(self, batch: Batch, until: int | None = None) -> None:
        """Take in rows that are in the store and not known here; forget what was assumed."""
        self._heads.clear()
        while found := self._store.rows(self._end, until, CATCH_UP_ROWS):
            batch.recorded.extend(codec.decode_all(found))
            self._end = found[-1].position
            self._guards.forget(self._end)
        self._unsure = False


def _conflict(stream: UUID, expected: int, actual: int) -> Conflict:
    return Conflict(
        f"stream {stream} is at version {actual}, not {expected} as expected: "
        "read it again and decide again"
    )
