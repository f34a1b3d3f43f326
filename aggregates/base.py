"""The grammar of truth: an event is a permanent fact, an aggregate is the fold of its events.

This module knows nothing of storage, of time or of who asks. An event says what happened in
plain JSON fields with units; `apply` folds it into the aggregate's state; methods of an aggregate
decide which events may be. The same state serves decisions and reads: there is one fold a noun.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar, NewType, TypeVar, cast
from uuid import UUID

import msgspec
from msgspec import Struct

Version = NewType("Version", int)

Upcast = Callable[[dict[str, Any]], dict[str, Any]]


def as_it_was(fields: dict[str, Any]) -> dict[str, Any]:
    """The upcast of a shape that only gained fields: what they say by default was so before."""
    return fields


class Event(Struct, frozen=True, kw_only=True, gc=False):
    """A fact. Its fields are plain JSON values; its topic, given by `@event`, never changes.

    Neither facts nor rows form cycles, so the cyclic collector need not know of them.
    """

    TOPIC: ClassVar[str] = ""
    KIND: ClassVar[str] = ""
    VERSION: ClassVar[int] = 1
    CREATES: ClassVar[type[Aggregate] | None] = None
    REMOVES: ClassVar[bool] = False
    UPCASTS: ClassVar[Mapping[int, Upcast]] = {}
    # Whether its ids stay texts when a long past is read (see `engine.log.past`).
    TEXT_IDS: ClassVar[bool] = False

    def takes(self) -> tuple[int, ...] | None:
        """How much it takes of a ledger on which the order of such events does not matter.

        None: whatever is decided about its stream may depend on it.
        """
        return None

    def joined(self, later: Event) -> Event | None:
        """One event that says this and what came right after it in the same commit, if there is.

        A commit is whole or not at all, so nobody could ever have seen the state between them.
        """
        return None

    def apply(self, row: Any, at_ms: int) -> None:
        """Fold into `row`: by default each field lands on the attribute of the same name."""
        for name in self.__struct_fields__:
            setattr(row, name, getattr(self, name))


class Aggregate(Struct, kw_only=True, gc=False):
    """State that is only ever the fold of a stream. `version` counts the events in it."""

    KIND: ClassVar[str] = ""
    # Whether events add to its lists as they are, rather than give it others.
    GROWS_IN_PLACE: ClassVar[bool] = False

    id: UUID
    version: int = 0
    created_at_ms: int = 0


E = TypeVar("E", bound=type[Event])
A = TypeVar("A", bound=type[Aggregate])

EVENTS: dict[str, type[Event]] = {}
AGGREGATES: dict[str, type[Aggregate]] = {}


def aggregate(kind: str) -> Callable[[A], A]:
    """Register an aggregate under its noun, for example `vm` or `disk_offering`."""

    def register(cls: A) -> A:
        assert kind not in AGGREGATES, f"two aggregates are called {kind}"
        cls.KIND = kind
        AGGREGATES[kind] = cls
        return cls

    return register


def event(
    topic: str,
    *,
    creates: type[Aggregate] | None = None,
    removes: bool = False,
    version: int = 1,
    upcasts: Mapping[int, Upcast] | None = None,
) -> Callable[[E], E]:
    """Register an event under its permanent topic, `noun.past_tense`.

    `creates` names the aggregate that the event begins; `removes` ends it. A new shape raises
    `version` and brings, for each version before, the function that lifts its fields by one.
    """

    def register(cls: E) -> E:
        assert topic not in EVENTS, f"two events have the topic {topic}"
        assert set(upcasts or {}) == set(range(1, version)), f"{topic}: an upcast is missing"
        cls.TOPIC, cls.KIND, cls.VERSION = topic, topic.partition(".")[0], version
        cls.CREATES, cls.REMOVES, cls.UPCASTS = creates, removes, dict(upcasts or {})
        EVENTS[topic] = cls
        return cls

    return register


class Recorded(Struct, frozen=True, kw_only=True, gc=False):
    """An event as the log holds it: where it stands, when, by whom, and what caused it.

    `position` is its place in the whole log, `version` its place in its own stream (both from 1).
    `action` is set on the first event of what a caller asked for (`VM.CREATE`), else empty.
    """

    position: int
    stream: UUID
    version: int
    at_ms: int
    user: UUID | None = None
    account: UUID | None = None
    saga: UUID | None = None
    action: str = ""
    event: Event

    @property
    def topic(self) -> str:
        return self.event.TOPIC


def build(recorded: Recorded) -> Aggregate:
    """The first state of an aggregate, from the event that creates it."""
    happened = recorded.event
    return _builder(type(happened))(recorded, happened)


@cache
def _builder(kind: type[Event]) -> Callable[[Recorded, Event], Aggregate]:
    """What hands the fields of a creating event to its row under the same names.

    It is written out and compiled, once for each kind: by a dict of thirty names it takes five
    times as long, and a deploy builds six rows. The names are those of our own classes.
    """
    assert kind.CREATES is not None, f"{kind.TOPIC} creates nothing"
    known = set(kind.CREATES.__struct_fields__)
    taken = [f"{name}=event.{name}" for name in kind.__struct_fields__ if name in known]
    whole = ["id=at.stream", "version=at.version", "created_at_ms=at.at_ms", *taken]
    source = f"lambda at, event: row({', '.join(whole)})"
    made: Callable[[Recorded, Event], Aggregate] = eval(source, {"row": kind.CREATES})
    return made


def fields_of(event: Event) -> dict[str, Any]:
    """The fields of an event as plain JSON values: what the log stores."""
    return cast(dict[str, Any], msgspec.to_builtins(event))
