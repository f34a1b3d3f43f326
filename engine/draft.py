"""A draft gathers events for one commit, each against the version of the row that was read.

Steps that decide together see each other's work: `row` answers with the row as it will be once the
draft is committed. Decisions of the allocator join a draft with what takes them back if the
commit fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, Protocol, TypeVar
from uuid import UUID

from msgspec import Struct, field, msgpack

from aggregates.base import Aggregate, Event, Recorded, build
from aggregates.errors import NotFound
from engine.log import Append
from engine.owners import owner_of
from projections.cloud import Cloud
from projections.table import TableSpec

R = TypeVar("R", bound=Aggregate)


class Write(Protocol):
    """An event for a ledger, the version that it expects there, and how much others may take."""

    @property
    def stream(self) -> UUID: ...
    @property
    def expected(self) -> int: ...
    @property
    def event(self) -> Event: ...
    @property
    def slack(self) -> tuple[int, ...] | None: ...


class Decision(Protocol):
    """What the allocator answers: events for its ledgers."""

    @property
    def appends(self) -> Sequence[Write]: ...


class _Part(Struct):
    """What a draft says of one stream: events behind a version, or none, and then it is a guard."""

    stream: UUID
    expected: int
    events: list[Event] = field(default_factory=list)
    row: Aggregate | None = None
    # The slack that the allocator's last word left, once it has said any; None stays.
    slack: tuple[int, ...] | None = None
    is_held: bool = False

    def add(self, one: Event) -> None:
        """What it and the one before it say together is told by one event."""
        events = self.events
        both = events[-1].joined(one) if events else None
        if both is None:
            events.append(one)
        else:
            events[-1] = both


class Draft:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.position = cloud.position
        # By the numbers of the ids, in the order in which the streams were first spoken of.
        self._parts: dict[int, _Part] = {}
        self._drawn: dict[int, UUID] = {}
        # On these streams nobody may come to rely any more.
        self.closes: tuple[UUID, ...] = ()
        self._aborts: list[Callable[[], None]] = []

    def __bool__(self) -> bool:
        return any(part.events for part in self._parts.values())

    def _part(self, stream: UUID, expected: int) -> _Part:
        part = self._parts.get(stream.int)
        if part is None:
            part = self._parts[stream.int] = _Part(stream, expected)
        return part

    def create(self, stream: UUID, first: Event) -> None:
        """Begin a stream; the commit fails if it exists."""
        assert stream.int not in self._parts, f"{first.TOPIC}: {stream} is another thing already"
        owner = owner_of(self.cloud, first)
        if owner is not None:
            self.guard(owner)
        part = self._part(stream, 0)
        part.events.append(first)
        part.row = build(
            Recorded(position=0, stream=stream, version=1, at_ms=self.cloud.at_ms, event=first)
        )

    def change(self, row: Aggregate, *events: Event) -> None:
        """Add facts about `row`; the commit fails if somebody else changed it since."""
        for one in events:
            part = self._part(row.id, row.version)
            part.add(one)
            if part.row is not None:
                one.apply(part.row, self.cloud.at_ms)

    def guard(self, row: Aggregate) -> None:
        """The commit fails if somebody changed or removed `row`, which this draft relies on."""
        self._part(row.id, row.version)

    def close(self, row: Aggregate) -> None:
        """The commit fails if somebody has come to rely on `row` since, by a guard."""
        self.closes += (row.id,)

    def append(self, stream: UUID, expected: int, one: Event) -> None:
        """Add a fact to a stream that has no row."""
        self._part(stream, expected).add(one)

    def add(self, decision: Decision, take_back: Callable[[], None]) -> None:
        """Commit what the allocator decided; `take_back` if the commit does not happen."""
        for write in decision.appends:
            part = self._part(write.stream, write.expected)
            if part.slack is not None or not part.is_held:
                part.slack, part.is_held = write.slack, True
            part.add(write.event)
        if decision.appends:
            self._aborts.append(take_back)

    def on_abort(self, take_back: Callable[[], None]) -> None:
        """Call `take_back` if the commit does not happen."""
        self._aborts.append(take_back)

    @property
    def promises(self) -> bool:
        """Whether something is promised for this draft that others must not have meanwhile."""
        return bool(self._aborts)

    def touched(self) -> Iterator[tuple[UUID, list[Event]]]:
        """Each stream that this draft writes to, with what it writes."""
        return ((part.stream, part.events) for part in self._parts.values() if part.events)

    def row(self, spec: TableSpec[R], row_id: UUID) -> R:
        """The row with this draft's own changes in it; `NotFound` if there is none."""
        part = self._parts.get(row_id.int)
        found: Aggregate | None = None if part is None else part.row
        if found is None:
            row = row_of(self.cloud, spec, row_id)
            if part is None or not part.events:
                return row
            found = part.row = _copied(row)
            for one in part.events:
                one.apply(found, self.cloud.at_ms)
        assert isinstance(found, spec.row)
        return found

    def rows(self, spec: TableSpec[R]) -> Iterator[R]:
        """The rows of a noun that this draft has created or changed so far."""
        known = self.cloud[spec]
        for part in self._parts.values():
            if part.row is None and part.events and part.stream in known:
                self.row(spec, part.stream)
        return (part.row for part in self._parts.values() if isinstance(part.row, spec.row))

    def removes(self, row_id: UUID) -> bool:
        """Whether this draft ends that row."""
        part = self._parts.get(row_id.int)
        return part is not None and any(one.REMOVES for one in part.events)

    def draw(self, owner_id: UUID) -> None:
        """Something of this draft counts towards a sum of that owner, which has a limit."""
        self._drawn[owner_id.int] = owner_id

    @property
    def draws(self) -> tuple[UUID, ...]:
        """Whose limited sums this draft draws on."""
        return tuple(self._drawn.values())

    def appends(self) -> tuple[Append, ...]:
        return tuple(
            Append(part.stream, part.expected, tuple(part.events), part.slack)
            for part in self._parts.values()
        )

    def topics(self) -> list[str]:
        """What the draft would record, in order: the plan that a dry run shows."""
        return [one.TOPIC for part in self._parts.values() for one in part.events]

    def abort(self) -> None:
        """The commit will not happen: give back what was decided for it."""
        for undo in reversed(self._aborts):
            undo()
        self._aborts.clear()

    def clear(self) -> None:
        """Start over."""
        self._parts.clear()
        self._drawn.clear()
        self.closes = ()


_encode = msgpack.Encoder().encode


def row_of(cloud: Cloud, spec: TableSpec[R], row_id: UUID) -> R:
    """The row as the log has it; `NotFound` if there is none."""
    row = cloud[spec].get(row_id)
    if row is None:
        raise NotFound(f"there is no {spec.kind.replace('_', ' ')} {row_id}")
    return row


def _copied(row: R) -> R:
    """A row that shares nothing with this one, made as a checkpoint makes it.

    `copy.deepcopy` takes ten times as long for a guest.
    """
    made: R = _decoder(type(row))(_encode(row))
    return made


@cache
def _decoder(kind: type[Aggregate]) -> Callable[[bytes], Any]:
    return msgpack.Decoder(kind).decode
