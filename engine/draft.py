"""A draft gathers events for one commit, each against the version of the row that was read.

Steps that decide together see each other's work: `row` answers with the row as it will be once the
draft is committed. Decisions of the allocator join a draft with what takes them back if the
commit fails.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar
from uuid import UUID

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


class Draft:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.position = cloud.position
        self._expected: dict[UUID, int] = {}
        self._events: dict[UUID, list[Event]] = {}
        self._rows: dict[UUID, Aggregate] = {}
        self._slack: dict[UUID, tuple[int, ...] | None] = {}
        self._drawn: set[UUID] = set()
        self._aborts: list[Callable[[], None]] = []

    def __bool__(self) -> bool:
        return any(self._events.values())

    def create(self, stream: UUID, first: Event) -> None:
        """Begin a stream; the commit fails if it exists."""
        assert stream not in self._events, f"{first.TOPIC}: {stream} is another thing already"
        owner = owner_of(self.cloud, first)
        if owner is not None:
            self.guard(owner)
        self.append(stream, 0, first)
        self._rows[stream] = build(
            Recorded(position=0, stream=stream, version=1, at_ms=self.cloud.at_ms, event=first)
        )

    def change(self, row: Aggregate, *events: Event) -> None:
        """Add facts about `row`; the commit fails if somebody else changed it since."""
        for one in events:
            self.append(row.id, row.version, one)
            if row.id in self._rows:
                mine = self._rows[row.id]
                one.apply(mine, self.cloud.at_ms)

    def guard(self, row: Aggregate) -> None:
        """The commit fails if somebody changed or removed `row`, which this draft relies on."""
        self._expected.setdefault(row.id, row.version)
        self._events.setdefault(row.id, [])

    def append(self, stream: UUID, expected: int, one: Event) -> None:
        """Add a fact; what it and the one before it say together is told by one event."""
        self._expected.setdefault(stream, expected)
        events = self._events.setdefault(stream, [])
        both = events[-1].joined(one) if events else None
        if both is None:
            events.append(one)
        else:
            events[-1] = both

    def add(self, decision: Decision, take_back: Callable[[], None]) -> None:
        """Commit what the allocator decided; `take_back` if the commit does not happen."""
        for write in decision.appends:
            stream, slack = write.stream, write.slack
            self._slack[stream] = slack if self._slack.get(stream, slack) is not None else None
            self.append(stream, write.expected, write.event)
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
        return ((stream, events) for stream, events in self._events.items() if events)

    def row(self, spec: TableSpec[R], row_id: UUID) -> R:
        """The row with this draft's own changes in it; `NotFound` if there is none."""
        if row_id not in self._rows:
            row = self.cloud[spec].get(row_id)
            if row is None:
                raise NotFound(f"there is no {spec.kind.replace('_', ' ')} {row_id}")
            if not self._events.get(row_id):
                return row
            mine = copy.deepcopy(row)
            for one in self._events[row_id]:
                one.apply(mine, self.cloud.at_ms)
            self._rows[row_id] = mine
        found = self._rows[row_id]
        assert isinstance(found, spec.row)
        return found

    def rows(self, spec: TableSpec[R]) -> Iterator[R]:
        """The rows of a noun that this draft has created or changed so far."""
        known = self.cloud[spec]
        for row_id, events in self._events.items():
            if events and row_id not in self._rows and row_id in known:
                self.row(spec, row_id)
        return (row for row in self._rows.values() if isinstance(row, spec.row))

    def removes(self, row_id: UUID) -> bool:
        """Whether this draft ends that row."""
        return any(one.REMOVES for one in self._events.get(row_id, ()))

    def draw(self, owner_id: UUID) -> None:
        """Something of this draft counts towards a sum of that owner, which has a limit."""
        self._drawn.add(owner_id)

    @property
    def draws(self) -> tuple[UUID, ...]:
        """Whose limited sums this draft draws on."""
        return tuple(self._drawn)

    def appends(self) -> tuple[Append, ...]:
        return tuple(
            Append(stream, self._expected[stream], tuple(events), self._slack.get(stream))
            for stream, events in self._events.items()
        )

    def topics(self) -> list[str]:
        """What the draft would record, in order: the plan that a dry run shows."""
        return [one.TOPIC for events in self._events.values() for one in events]

    def abort(self) -> None:
        """The commit will not happen: give back what was decided for it."""
        for undo in reversed(self._aborts):
            undo()
        self._aborts.clear()

    def clear(self) -> None:
        """Start over."""
        self._expected.clear()
        self._events.clear()
        self._rows.clear()
        self._slack.clear()
        self._drawn.clear()
