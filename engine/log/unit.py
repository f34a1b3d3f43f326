"""What goes into the log, and what lies in it: units on one side, stored rows on the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from aggregates.base import Event


class Append(Struct, frozen=True, gc=False):
    """Events for one stream. `expected` is its version before them; 0: it must not exist.

    Without events it is a guard: the unit is refused if the stream has moved on. With `slack` its
    events may come behind others' as long as those took no more than that (`Event.takes`).
    """

    stream: UUID
    expected: int
    events: tuple[Event, ...]
    slack: tuple[int, ...] | None = None


class Unit(Struct, frozen=True, gc=False):
    """What is committed together or not at all; a stream appears in it at most once.

    `action` is what the caller asked for (`VM.CREATE`); only the unit's first event carries it.
    `decided_at` is the position of the log at which it was decided: a unit that ends a stream is
    refused if another has come to rest on that stream since. `draws` are streams of which it takes
    a share that only their sum limits: it is refused if another controller drew on one since.
    `closes` are streams that it does not end, and on which nobody may come to rest any more.
    """

    appends: tuple[Append, ...]
    user: UUID | None = None
    account: UUID | None = None
    saga: UUID | None = None
    action: str = ""
    decided_at: int = 0
    draws: tuple[UUID, ...] = ()
    closes: tuple[UUID, ...] = ()

    def strict(self) -> Unit:
        """The same at exactly the versions that it expects: what it left to others is outdated."""
        return replace(self, appends=tuple(replace(one, slack=None) for one in self.appends))

    def ends(self) -> list[UUID]:
        """The streams on which nothing comes to rest behind it."""
        gone = [one.stream for one in self.appends for event in one.events if event.REMOVES]
        return [*gone, *self.closes]

    def leans_on(self) -> list[UUID]:
        """The streams that it relies on, or draws on, without writing to them."""
        return [one.stream for one in self.appends if not one.events] + list(self.draws)


class Stored(NamedTuple):
    """One row of the log as it lies on disk; `state` is the JSON that `codec` wrote."""

    position: int
    stream: UUID
    version: int
    topic: str
    state: bytes


class Outline(NamedTuple):
    """What a row is about: the row without what it says."""

    position: int
    stream: UUID
    topic: str


class Selection(NamedTuple):
    """Some rows of a log: those of these topics and, if `acted`, all that carry an action.

    With `rest` those of all other topics instead, known here or not. A store may tell a few more,
    of those that look as if they carried an action.
    """

    topics: tuple[str, ...]
    acted: bool = False
    rest: bool = False


@dataclass(slots=True)
class LogStats:
    """What the log did since it was opened; only the event loop's thread writes it."""

    events: int = 0
    units: int = 0
    batches: int = 0
    conflicts: int = 0
    unavailable: int = 0
    size_bytes: int = 0
    last_batch_events: int = 0
    last_batch_s: float = 0.0
    queue_depth: int = 0
