"""Appends that were decided here and that the log has not answered yet.

Many sagas decide in one turn of the event loop, before anything of it is on disk. So each append
expects the version that its stream will have once those decided before it are in. When one of
them fails, the later ones of its stream cannot succeed either; they are marked `doomed`, and
numbering starts again where it failed. Nothing here is ever saved: after a crash it never was.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from aggregates.base import Event, Recorded


class Pending:
    """One append on its way. `doomed` says that its expected version can no longer come true.

    A loose one may come in behind others' appends, so nothing dooms it.
    """

    __slots__ = ("book", "doomed", "event", "expected", "key", "loose", "stream")

    def __init__(
        self,
        book: dict[UUID, Pending],
        key: UUID,
        stream: UUID,
        expected: int,
        event: Event,
        loose: bool,
    ) -> None:
        self.book, self.key, self.stream, self.loose = book, key, stream, loose
        self.expected, self.event, self.doomed = expected, event, False

    def doom(self) -> None:
        self.doomed = not self.loose


class _Tail:
    """What one stream looks like past its end: its version on the log, and who waits."""

    __slots__ = ("committed", "next", "waiting")

    def __init__(self, committed: int) -> None:
        self.committed = self.next = committed
        self.waiting: list[Pending] = []


class Pendings:
    """Every pending append of one kind of ledger, by the key that asked for it."""

    def __init__(self) -> None:
        self.takes: dict[UUID, Pending] = {}
        self.frees: dict[UUID, Pending] = {}
        self.supplies: dict[UUID, Pending] = {}
        self._tails: dict[UUID, _Tail] = {}

    def __len__(self) -> int:
        return len(self.takes) + len(self.frees) + len(self.supplies)

    def add(
        self,
        book: dict[UUID, Pending],
        key: UUID,
        stream: UUID,
        committed: int,
        event: Event,
        *,
        loose: bool = False,
    ) -> Pending:
        """Give `event` the next place on `stream`, whose version on the log is `committed`."""
        tail = self._tails.get(stream)
        if tail is None:
            self._tails[stream] = tail = _Tail(committed)
        pending = book[key] = Pending(book, key, stream, tail.next, event, loose)
        tail.next += 1
        tail.waiting.append(pending)
        return pending

    def take_all(
        self, stream: UUID, committed: int, keyed: Iterable[tuple[UUID, Event]]
    ) -> list[Pending]:
        """Give each of these the next place on `stream`, whichever others come in between."""
        tail, takes = self._tails.get(stream), self.takes
        if tail is None:
            self._tails[stream] = tail = _Tail(committed)
        found = []
        for expected, (key, event) in enumerate(keyed, tail.next):
            takes[key] = pending = Pending(takes, key, stream, expected, event, True)
            found.append(pending)
        tail.next += len(found)
        tail.waiting += found
        return found

    def settle(self, recorded: Recorded) -> Pending | None:
        """The log holds `recorded`: the pending append that it was, or None for somebody else's."""
        if not self._tails:  # as while a past is folded
            return None
        tail = self._tails.get(recorded.stream)
        if tail is None:
            return None
        tail.committed = recorded.version
        mine = next((p for p in tail.waiting if p.event == recorded.event), None)
        if mine is None:
            # Another writer came between: whatever was numbered from here expects the wrong past.
            for pending in tail.waiting:
                pending.doom()
            tail.next = recorded.version
        else:
            self._drop(tail, mine)
            tail.next = max(tail.next, recorded.version)
        return mine

    def forget(self, pending: Pending) -> None:
        """Its commit failed: give its place on the stream to the next decision."""
        tail = self._tails[pending.stream]
        self._drop(tail, pending)
        if pending.doomed:
            return
        for later in tail.waiting:
            if later.expected > pending.expected:
                later.doom()
        tail.next = max(tail.committed, pending.expected)

    def _drop(self, tail: _Tail, pending: Pending) -> None:
        tail.waiting.remove(pending)
        if pending.book.get(pending.key) is pending:
            del pending.book[pending.key]
        if not tail.waiting:
            del self._tails[pending.stream]
