"""One thread writes the log: it joins every unit that waits into one commit, then answers all.

Group commit (DeWitt and others, 1984): one fsync is shared by whoever waited while the last one
ran. The thread knows the last version of each stream, so a unit that expects another one is
refused alone and the rest of its batch is committed. Order is the queue's: a unit that was built
on a refused one expects a version that never came to be, and is refused too.

Others may write to the same store: what they wrote is taken in first, while nobody can write, so
versions and guards are exact at the moment of the commit. Rows of others are handed on like our
own, in log order, and before the answers that follow them.

When the store fails, nothing is acknowledged. The thread asks the store what it really holds
before it writes again.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID, uuid4

from aggregates.base import Recorded
from aggregates.errors import Conflict
from engine.log import codec
from engine.log.errors import LogUnavailable, Unreadable
from engine.log.gathering import BUSY_UNITS
from engine.log.guards import Guards, overtaken
from engine.log.others import Others
from engine.log.store import MARKS_KEPT, Clash, Mark, Store, StoreDown, Turn
from engine.log.unit import Stored, Unit

# Larger commits gain little, and the listeners fold a batch in one go on the event loop.
BATCH_EVENTS = 512
# Where others write too each has fewer units in the same time, so it waits for more of them after a
# commit that served many: as many commits serve all of them as would serve one.
GATHER_AMONG_S = 0.008
KNOWN_STREAMS = 65_536
CATCH_UP_ROWS = 5_000


class Pending:
    """A unit on its way to the disk: encoded, and stamped with its time."""

    __slots__ = ("answer", "at_ms", "bases", "encoded", "size", "ticket", "unit")

    def __init__(
        self, unit: Unit, at_ms: int, encoded: list[list[codec.Encoded]], ticket: object
    ) -> None:
        self.unit, self.at_ms, self.encoded, self.ticket = unit, at_ms, encoded, ticket
        self.size = sum(map(len, encoded))
        # The versions behind which each append's events come.
        self.bases = [append.expected for append in unit.appends]
        self.answer: list[Recorded] | Exception | None = None

    def stamp(self, at_ms: int) -> None:
        """Give it a later time: another controller's clock is ahead of ours."""
        self.at_ms, self.encoded = at_ms, codec.encode(self.unit, at_ms)


@dataclass(slots=True, eq=False)
class Look:
    """Take in what others wrote: these rows, or whatever the store has."""

    ticket: object
    rows: Sequence[Stored] = ()
    answer: list[Recorded] | Exception | None = None


Waiting = Pending | Look


class Written(NamedTuple):
    """What a turn writes: its units, and all of their events in log order, as rows and as told."""

    units: Sequence[Pending]
    rows: list[Stored]
    recorded: list[Recorded]


@dataclass(slots=True)
class Batch:
    """What one turn did: the new events in log order, and who waited, with their answers."""

    units: list[Pending]
    looks: list[Look] = field(default_factory=list)
    recorded: list[Recorded] = field(default_factory=list)
    # The rows of those events that were written to the store, or read from it.
    rows: list[Stored] = field(default_factory=list)
    duration_s: float = 0.0
    size_bytes: int = 0


class Writer:
    """The thread. `answer` is called on it with each batch; `finished` when it has ended."""

    def __init__(
        self,
        store: Store,
        answer: Callable[[Batch], None],
        finished: Callable[[], None],
        last_ms: int = 0,
    ) -> None:
        self._store, self._answer, self._finished = store, answer, finished
        self._last_ms = last_ms
        self._id = uuid4()
        self._attempt: Written | None = None
        self._queue: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        # By the number of each stream: an id is hashed and compared in Python, a number is not.
        self._heads: OrderedDict[int, int] = OrderedDict()
        self._end = self.begins = store.end()
        self._guards = Guards()
        self._others = Others()
        self._unsure = False
        self._together = 0
        # Whether others wrote since our last turn, and whether they had before that one.
        self._took_in = self._among_others = False
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, pending: Waiting) -> None:
        self._queue.put(pending)

    def stop(self) -> None:
        """End after what is already queued."""
        self._queue.put(None)

    def depth(self) -> int:
        return self._queue.qsize()

    def left(self) -> list[Waiting]:
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

    def _drain(self) -> list[Waiting] | None:
        """Wait for one unit and take with it all that wait behind it, up to a bound."""
        first = self._queue.get()
        if first is None:
            return None
        if self._among_others and self._together >= BUSY_UNITS:
            time.sleep(GATHER_AMONG_S)
        taken = [first, *self._waiting(_size(first))]
        self._together = len(taken)
        return taken

    def _waiting(self, event_count: int) -> list[Waiting]:
        """All that wait now, beside so many events that are taken already."""
        waiting: list[Waiting] = []
        while event_count < BATCH_EVENTS:
            try:
                more = self._queue.get_nowait()
            except queue.Empty:
                break
            if more is None:
                self._queue.put(None)
                break
            waiting.append(more)
            event_count += _size(more)
        return waiting

    def _turn(self, waiting: list[Waiting]) -> None:
        """Commit what may be committed; every unit has an answer afterwards."""
        began = time.perf_counter()
        batch = Batch(_units(waiting), _looks(waiting))
        try:
            # A turn at a shared store begins with the question that they have.
            turn_tells = self._store.shared and bool(batch.units)
            for look in batch.looks:
                if look.rows or not turn_tells:
                    self._see(look, batch)
            if batch.units:
                self._write(batch)
        except (StoreDown, Unreadable) as down:
            self._unsure = True
            self._store.reset()
            waited: list[Waiting] = [*batch.units, *batch.looks]
            for one in waited:
                if one.answer is None:
                    one.answer = LogUnavailable(
                        f"nothing was acknowledged, ask again later: {down}"
                    )
        finally:
            batch.duration_s = time.perf_counter() - began
            self._answer(batch)

    # ---- what others wrote -----------------------------------------------------------------

    def _see(self, look: Look, batch: Batch) -> None:
        """Take in the rows that were brought, if they go on where we are; else ask the store."""
        brought = [row for row in look.rows if row.position > self._end]
        if brought and brought[0].position == self._end + 1:
            self._take_in(brought, batch)
            batch.rows.clear()  # The next ones begin anew behind these.
        elif brought or not look.rows:
            self._catch_up(batch)
        look.answer = []

    def _catch_up(self, batch: Batch) -> None:
        self._take_in_all(lambda: self._store.rows(self._end, None, CATCH_UP_ROWS), batch)
        self._unsure = False

    def _take_in_all(self, read: Callable[[], list[Stored]], batch: Batch) -> None:
        """All that was there when it was first read: fewer rows than asked for are the last."""
        found: list[Stored] | None = None
        while found is None or len(found) == CATCH_UP_ROWS:
            if found := read():
                self._take_in(found, batch)

    def _take_in(self, rows: Sequence[Stored], batch: Batch) -> None:
        """Rows that lie in the store behind all that is known here."""
        self._took_in = True
        recorded = codec.decode_all(rows)
        batch.recorded.extend(recorded)
        batch.rows.extend(rows)
        for row in rows:
            self._know(row.stream, row.version)
        self._end = rows[-1].position
        self._last_ms = max(self._last_ms, recorded[-1].at_ms)
        self._others.note(recorded)
        if not self._store.shared:
            self._guards.forget(self._end)

    # ---- commits ---------------------------------------------------------------------------

    def _write(self, batch: Batch) -> None:
        """Commit these together; if they clash with rows that we did not know, one by one."""
        try:
            try:
                self._commit(batch.units, batch, joining=self._store.shared)
            except StoreDown:
                self._unsure = True
                self._store.reset()
                if not self._landed(batch):
                    self._commit(batch.units, batch)
        except Clash as clash:
            self._apart([one for one in batch.units if one.answer is None], batch, clash)

    def _join(self, batch: Batch) -> None:
        """Take with us who came while we waited for our turn. All that others wrote is known."""
        came = self._waiting(sum(one.size for one in batch.units))
        batch.units += _units(came)
        for look in _looks(came):
            look.answer = []
            batch.looks.append(look)

    def _commit(
        self,
        units: Sequence[Pending],
        batch: Batch,
        *,
        trusting: bool = True,
        joining: bool = False,
    ) -> None:
        """One turn at the store. What others wrote before it is taken in, and decides with."""
        self._attempt = None
        with self._store.turn() as turn:
            if self._store.shared or self._unsure:
                self._take_in_all(lambda: turn.missed(self._end, CATCH_UP_ROWS), batch)
                self._unsure = False
                self._among_others, self._took_in = self._took_in, False
                for look in batch.looks:
                    look.answer = []
            if joining:
                self._join(batch)
            ready = self._admit([one for one in units if one.answer is None], turn, trusting)
            written = self._written(ready)
            if written.rows:
                self._attempt = written
                turn.insert(written.rows, self._marks(ready) if self._store.shared else ())
        self._accept(written, batch)

    def _landed(self, batch: Batch) -> bool:
        """Whether a commit that failed is in the store after all, and then it is accepted."""
        if self._attempt is None:
            return False
        rows = self._attempt.rows
        if self._store.rows(rows[0].position - 1, None, 1) != rows[:1]:
            return False
        self._accept(self._attempt, batch)
        return True

    def _admit(self, waiting: Sequence[Pending], turn: Turn, trusting: bool) -> list[Pending]:
        """Those units whose expected versions are the real ones, given those admitted before."""
        planned: dict[int, int] = {}
        ready: list[Pending] = []
        marks: Sequence[Mark] = ()
        if self._store.shared:
            asked = {one for p in waiting for one in (*p.unit.ends(), *p.unit.draws)}
            marks = turn.marks(list(asked)) if asked else ()
        for pending in waiting:
            unit = pending.unit
            stream = self._guards.offended(unit) or self._overtaken(unit, marks)
            if stream is not None:
                pending.answer = Conflict(f"others relied on {stream} just now: decide again")
                continue
            for number, append in enumerate(unit.appends):
                actual = planned.get(append.stream.int)
                if actual is None:
                    certain = trusting and append.slack is None
                    actual = self._head(turn, append.stream, append.expected, certain)
                if actual != append.expected and not self._others.leave_room(
                    append, unit.decided_at
                ):
                    pending.answer = _conflict(append.stream, append.expected, actual)
                    break
                pending.bases[number] = actual
            else:
                for base, append in zip(pending.bases, unit.appends, strict=True):
                    planned[append.stream.int] = base + len(append.events)
                self._guards.note(unit, self._end)
                ready.append(pending)
        return ready

    def _overtaken(self, unit: Unit, marks: Sequence[Mark]) -> UUID | None:
        """A stream on which others came to rest, or may have: so long ago was it decided."""
        leaning = (*unit.ends(), *unit.draws) if self._store.shared else ()
        if leaning and unit.decided_at < self._end - MARKS_KEPT:
            return leaning[0]
        return overtaken(unit, marks, self._id)

    def _head(self, turn: Turn, stream: UUID, expected: int, trusting: bool) -> int:
        """A stream's last version. A stream said to be new is believed: its key is unique."""
        known = self._heads.get(stream.int)
        if known is None:
            if expected == 0 and trusting:
                return 0
            known = turn.head(stream)
            self._know(stream, known)
        return known

    def _know(self, stream: UUID, version: int) -> None:
        self._heads[stream.int] = version
        self._heads.move_to_end(stream.int)
        if len(self._heads) > KNOWN_STREAMS:
            self._heads.popitem(last=False)

    def _written(self, ready: Sequence[Pending]) -> Written:
        """The events of these units behind the end, none older than what is there.

        Each event is touched once: this thread shares the interpreter with the event loop, and
        finds in no cache of its processor what the loop has made.
        """
        rows: list[Stored] = []
        recorded: list[Recorded] = []
        position = self._end
        for pending in ready:
            if pending.at_ms < self._last_ms:
                pending.stamp(self._last_ms)
            at_ms, unit = pending.at_ms, pending.unit
            user, account, saga, action = unit.user, unit.account, unit.saga, unit.action
            for append, version, encoded in zip(
                unit.appends, pending.bases, pending.encoded, strict=True
            ):
                stream = append.stream
                for topic, state, event in encoded:
                    position += 1
                    version += 1
                    rows.append(Stored(position, stream, version, topic, state))
                    recorded.append(
                        Recorded(
                            position=position,
                            stream=stream,
                            version=version,
                            at_ms=at_ms,
                            user=user,
                            account=account,
                            saga=saga,
                            action=action,
                            event=event,
                        )
                    )
                    action = ""
        return Written(ready, rows, recorded)

    def _marks(self, ready: Sequence[Pending]) -> list[Mark]:
        """What these units rely on, by the position of their last rows."""
        found, position = {}, self._end
        for pending in ready:
            position += pending.size
            for stream in pending.unit.leans_on():
                found[stream] = Mark(stream, self._id, position)
        return list(found.values())

    def _accept(self, written: Written, batch: Batch) -> None:
        """It is on disk: answer its units."""
        units, rows, recorded = written
        at = 0
        for pending in units:
            for base, append in zip(pending.bases, pending.unit.appends, strict=True):
                self._know(append.stream, base + len(append.events))
            pending.answer = recorded[at : at + pending.size]
            at += pending.size
        if rows:
            batch.recorded += recorded
            batch.rows += rows
            batch.size_bytes += sum(len(row.state) for row in rows)
            self._end = rows[-1].position
            self._last_ms = max(self._last_ms, units[-1].at_ms)

    def _apart(self, units: Sequence[Pending], batch: Batch, clash: Clash) -> None:
        """Unit by unit with the store's own versions, after a clash that none of ours explains."""
        self._heads.clear()
        for pending in units:
            self._unsure = True
            try:
                self._commit([pending], batch, trusting=False)
            except Clash:
                append = pending.unit.appends[0]
                pending.answer = Conflict(
                    f"stream {append.stream} was written by somebody else just now ({clash}): "
                    "read it again and decide again"
                )


def _conflict(stream: UUID, expected: int, actual: int) -> Conflict:
    return Conflict(
        f"stream {stream} is at version {actual}, not {expected} as expected: "
        "read it again and decide again"
    )


def _units(waiting: Sequence[Waiting]) -> list[Pending]:
    return [one for one in waiting if isinstance(one, Pending)]


def _looks(waiting: Sequence[Waiting]) -> list[Look]:
    return [one for one in waiting if isinstance(one, Look)]


def _size(one: Waiting) -> int:
    return one.size if isinstance(one, Pending) else len(one.rows)
