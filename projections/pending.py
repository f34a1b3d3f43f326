"""Appends that were decided here and that the log has not answered yet.

Many sagas decide in one turn of the event loop, before anything of it is on disk. So each append
expects the version that its stream will have once those decided before it are in. When one of
them fails, the later ones of its stream cannot succeed either; they are marked `doomed`, and
numbering starts again where it failed. Nothing here is ever saved: after a crash it never was.
"""

from __future__ import annotations

from collections.abc import Iterable
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


class _Tail(Struct, eq=False):
    """What one stream looks like past its end: its version on the log, and who waits."""

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
        self._tails: dict[int, _Tail] = {}

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
        tail = self._tails.get(stream.int)
        if tail is None:
            pending = Pending(book, key, stream, committed, event, loose)
            self._tails[stream.int] = _Tail(committed, committed + 1, [pending])
        else:
            pending = Pending(book, key, stream, tail.next, event, loose)
            tail.next += 1
            tail.waiting.append(pending)
        book[key] = pending
        return pending

    def take_all(
        self,
        streams: Iterable[UUID],
        versions: Iterable[int],
        keys: Iterable[int],
        events: Iterable[Event],
    ) -> list[Pending]:
        """The same for many: a stream and its version, a key and an event for each.

        There may be more keys than events: whoever has those gets nothing.
        """
        takes, tails, made = self.takes, self._tails, list[Pending]()
        before, tail = None, None
        for stream, committed, key, event in zip(streams, versions, keys, events, strict=False):
            if stream is not before:
                before, tail = stream, tails.get(stream.int)
            if tail is None:
                pending = Pending(takes, key, stream, committed, event, True)
                tails[stream.int] = tail = _Tail(committed, committed + 1, [pending])
            else:
                pending = Pending(takes, key, stream, tail.next, event, True)
                tail.next += 1
                tail.waiting.append(pending)
            takes[key] = pending
            made.append(pending)
        return made

    def settle(self, recorded: Recorded) -> Pending | None:
        """The log holds `recorded`: the pending append that it was, or None for somebody else's."""
        if not self._tails:  # as while a past is folded
            return None
        tail = self._tails.get(recorded.stream.int)
        if tail is None:
            return None
        tail.committed = recorded.version
        event, mine = recorded.event, None
        for pending in tail.waiting:
            if pending.event is event or pending.event == event:
                mine = pending
                break
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
        tail = self._tails[pending.stream.int]
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
            del self._tails[pending.stream.int]
