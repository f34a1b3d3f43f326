"""Appends that were decided here and that the log has not answered yet.

Many sagas decide in one turn of the event loop, before anything of it is on disk. So each append
expects the version that its stream will have once those decided before it are in. When one of
them fails, the later ones of its stream cannot succeed either; they are marked `doomed`, and
numbering starts again where it failed. Nothing here is ever saved: after a crash it never was.
"""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from aggregates.base import Event, Recorded


class Pending(Struct, eq=False):
    """One append on its way. `doomed` says that its expected version can no longer come true.

    A loose one may come in behind others' appends, so nothing dooms it.
    """

    book: dict[int, Pending]
    key: int
    stream: UUID
    expected: int
    event: Event
    loose: bool
    doomed: bool = False

    def doom(self) -> None:
        self.doomed = not self.loose


class Line(Struct, eq=False):
    """What one stream looks like past its end: its version on the log, and who waits.

    Whoever joins it expects `next`, and leaves the one after that to others.
    """

    committed: int
    next: int
    waiting: list[Pending]


class Pendings:
    """Every pending append of one kind of ledger, by the key that asked for it.

    Keys and streams are found by the numbers of their ids, whose hash costs a third of an id's.
    """

    def __init__(self) -> None:
        self.takes: dict[int, Pending] = {}
        self.frees: dict[int, Pending] = {}
        self.supplies: dict[int, Pending] = {}
        self._lines: dict[int, Line] = {}

    def __len__(self) -> int:
        return len(self.takes) + len(self.frees) + len(self.supplies)

    def add(
        self,
        book: dict[int, Pending],
        key: int,
        stream: UUID,
        committed: int,
        event: Event,
        *,
        loose: bool = False,
    ) -> Pending:
        """Give `event` the next place on `stream`, whose version on the log is `committed`."""
        line = self._lines.get(stream.int)
        if line is None:
            pending = Pending(book, key, stream, committed, event, loose)
            self._lines[stream.int] = Line(committed, committed + 1, [pending])
        else:
            pending = Pending(book, key, stream, line.next, event, loose)
            line.next += 1
            line.waiting.append(pending)
        book[key] = pending
        return pending

    def line(self, stream: UUID, committed: int) -> Line:
        """The line for a stream, whose version on the log is this, for many to join at once."""
        line = self._lines.get(stream.int)
        if line is None:
            line = self._lines[stream.int] = Line(committed, committed, [])
        return line

    def settle(self, recorded: Recorded) -> Pending | None:
        """The log holds `recorded`: the pending append that it was, or None for somebody else's."""
        if not self._lines:  # as while a past is folded
            return None
        line = self._lines.get(recorded.stream.int)
        if line is None:
            return None
        line.committed = recorded.version
        event, mine = recorded.event, None
        for pending in line.waiting:
            if pending.event is event or pending.event == event:
                mine = pending
                break
        if mine is None:
            # Another writer came between: whatever was numbered from here expects the wrong past.
            for pending in line.waiting:
                pending.doom()
            line.next = recorded.version
        else:
            self._drop(line, mine)
            line.next = max(line.next, recorded.version)
        return mine

    def forget(self, pending: Pending) -> None:
        """Its commit failed: give its place on the stream to the next decision."""
        line = self._lines[pending.stream.int]
        self._drop(line, pending)
        if pending.doomed:
            return
        for later in line.waiting:
            if later.expected > pending.expected:
                later.doom()
        line.next = max(line.committed, pending.expected)

    def _drop(self, line: Line, pending: Pending) -> None:
        line.waiting.remove(pending)
        if pending.book.get(pending.key) is pending:
            del pending.book[pending.key]
        if not line.waiting:
            del self._lines[pending.stream.int]
