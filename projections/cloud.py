"""Everything that may be read, at one position of the log.

One `Cloud` is live and follows the log; another can be folded up to any past position, which is
what `asof` reads. It holds a table for each noun and the folds that are no table (capacity,
addresses). Rebuilding one from the log gives the same bytes as the live one: `digest` compares.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any, ClassVar, Protocol, TypeVar, cast, runtime_checkable

import msgspec

from aggregates.base import EVENTS, Event, Recorded
from projections.attached import Attached
from projections.pieces import free
from projections.shared import forget_the_past, remember_a_past
from projections.table import TABLES, Table, Watch
from projections.tables import Tables
from projections.vitals import Vitals

F = TypeVar("F", bound="Fold")
Happens = Callable[[Recorded], None]


class Fold(Protocol):
    """A projection that is no table. It names the topics that it folds and can be saved whole.

    One that says `KIND` holds the rows of a noun that lives inside another, as cards do in guests.
    One with `acted` is told of every event that carries an action, besides the topics it names.
    """

    TOPICS: ClassVar[tuple[str, ...]]

    def __init__(self) -> None: ...
    def fold(self, recorded: Recorded, /) -> None: ...
    def encode(self) -> bytes: ...
    def restore(self, encoded: bytes, /) -> None: ...


@runtime_checkable
class Reading(Protocol):
    """A fold that reads tables, each of which has folded an event before it does."""

    def bind(self, tables: Tables, /) -> None: ...


@runtime_checkable
class Saved(Protocol):
    """A part that lies in a checkpoint as it lies in memory, which tells how it came to be.

    `restore` takes that, and nothing that `encode` gives.
    """

    def saved(self) -> bytes: ...


class Past(Protocol):
    """A table or fold with a shorter way through a long past: what follows from what it keeps
    waits for `settle`, and what it keeps is shared (see `shared`) once a batch is folded."""

    def defer(self) -> None: ...
    def past(self, kind: type[Event], /) -> Happens | None: ...
    def tidy(self) -> None: ...
    def settle(self) -> None: ...


@runtime_checkable
class Cooling(Protocol):
    """A part that packs what it has not been asked for of late, piece by piece."""

    def cool(self, most: int, /) -> int: ...


@runtime_checkable
class Derived(Protocol):
    """A fold that can be made of the rows that there are; while a past is folded it is not kept."""

    def derive(self) -> None: ...


FOLDS: dict[str, type[Fold]] = {}


def projection(cls: type[F]) -> type[F]:
    """Register a fold under its class's name."""
    assert cls.__name__ not in FOLDS, f"two projections are called {cls.__name__}"
    FOLDS[cls.__name__] = cls
    return cls


class Cloud(Tables):
    """Tables and folds at `position`; `at_ms` is the time of the last event folded.

    `vitals` is what guests are measured at now: no fold, and empty but for the live cloud.
    """

    def __init__(self) -> None:
        super().__init__({kind: (spec.make or Table)(spec) for kind, spec in TABLES.items()})
        self.position = 0
        self.at_ms = 0
        self._folds: dict[str, Fold] = {name: cls() for name, cls in FOLDS.items()}
        tables = Tables(self._tables)
        for fold in self._folds.values():
            if isinstance(fold, Reading):
                fold.bind(tables)
        self._derived: dict[str, Any] = {
            kind: one for one in self._folds.values() if (kind := getattr(one, "KIND", ""))
        }
        self.vitals = Vitals()
        parts = (*self._tables.values(), *self._folds.values())
        self._cold = [one for one in parts if isinstance(one, Cooling)]
        hanging = [one for one in self._tables.values() if isinstance(one, Attached)]
        self._ended: Happens = partial(_drop, hanging)
        shorter = [cast(Past, one) for one in self._folds.values() if hasattr(one, "past")]
        self._deferring: tuple[Past, ...] = (*self._tables.values(), *shorter)
        self._deferred: tuple[Past, ...] = ()
        self._follow(self._parts())

    def table(self, kind: str) -> Table[Any]:
        """A table by the name of its noun, derived ones included; KeyError for one without."""
        found: Table[Any] | None = self._tables.get(kind)
        return self._derived[kind] if found is None else found

    def view(self, fold: type[F]) -> F:
        """A projection that is no table, by its class."""
        return cast(F, self._folds[fold.__name__])

    def watch(self, watcher: Watch) -> None:
        """Tell `watcher` of every row that changes from now on, when it has changed."""
        for one in self._tables.values():
            one.watch = watcher

    def defer(self, parts: Collection[str] | None = None) -> Cloud:
        """Make ready for a long past: indexes, and what follows from rows, wait for `settle`.

        With `parts`, named as `encode` names them, no others are folded: somebody else does that,
        and `take` brings them.
        """
        remember_a_past()
        self._deferred = self._deferring
        for one in self._deferred:
            one.defer()
        self._follow({
            name: one
            for name, one in self._past_parts().items()
            if parts is None or name in parts
        })  # fmt: skip
        return self

    @property
    def topics(self) -> frozenset[str]:
        """What happens to anything here; events of other topics need not be folded."""
        return frozenset(topic for topic, happens in self._dispatch.items() if happens)

    def take(self, parts: Mapping[str, bytes], position: int, at_ms: int) -> None:
        """Take over parts that were folded elsewhere up to a position."""
        named = self._parts()
        for name, encoded in parts.items():
            named[name].restore(encoded)
        self.position, self.at_ms = max(position, self.position), max(at_ms, self.at_ms)

    def settle(self) -> Cloud:
        """The past is folded: make what waited for that, all at once."""
        for one in self._deferred:
            one.settle()
        self._deferred = ()
        for fold in self._folds.values():
            if isinstance(fold, Derived):
                fold.derive()
        self._follow(self._parts())
        forget_the_past()
        return self

    def give_up(self) -> None:
        """The past will not be folded to its end: let go of what was remembered for it alone."""
        forget_the_past()

    def fold(self, batch: Iterable[Recorded]) -> None:
        """Fold events in log order, each exactly once."""
        dispatch, acted, position, recorded = self._dispatch, self._acted, self.position, None
        for recorded in batch:
            before, position = position, recorded.position
            assert position > before, f"{position} after {before}"
            for fold in dispatch[recorded.event.TOPIC]:
                fold(recorded)
            if acted and recorded.action:
                for fold in acted:
                    fold(recorded)
        if recorded is not None:
            self.position, self.at_ms = position, recorded.at_ms
        for one in self._deferred:
            one.tidy()

    def cool(self, most: int) -> int:
        """Pack a little of what nobody looks at, of each part that packs; how much it was."""
        return sum(one.cool(most) for one in self._cold)

    async def dissolve(self) -> None:
        """Free it in pieces: at once, 100,000 guests take 0.3 s. Nobody may read it any more."""
        for one in self._tables.values():
            await free(one.rows)
        parts = list(self._parts().values())
        vars(self).clear()
        await free(parts, most=1)

    def encode(self) -> dict[str, bytes]:
        """Each part by name, for a checkpoint or a comparison."""
        return {name: one.encode() for name, one in sorted(self._parts().items())}

    def digest(self) -> dict[str, str]:
        """A fingerprint of each part: equal digests are equal clouds."""
        return {name: hashlib.sha256(part).hexdigest() for name, part in self.encode().items()}

    def save(self) -> bytes:
        """A checkpoint of it, without what is derived."""
        parts = {
            name: one.saved() if isinstance(one, Saved) else one.encode()
            for name, one in sorted(self._parts().items())
            if not isinstance(one, Derived)
        }
        return msgspec.msgpack.encode((self.position, self.at_ms, parts))

    @classmethod
    def load(cls, saved: bytes) -> Cloud:
        return cls.deferred(saved).settle()

    @classmethod
    def deferred(cls, saved: bytes) -> Cloud:
        """A saved cloud that is to fold what came after it before it is settled."""
        position, at_ms, parts = msgspec.msgpack.decode(
            saved, type=tuple[int, int, dict[str, memoryview]]
        )
        cloud = cls().defer()
        cloud.position, cloud.at_ms = position, at_ms
        for name, one in cloud._parts().items():
            if not isinstance(one, Derived):
                one.restore(bytes(parts[name]))  # no two copies of all are there at a time
        cloud._follow(cloud._past_parts())
        return cloud

    def _parts(self) -> dict[str, Table[Any] | Fold]:
        """Tables, then folds, by their names in a checkpoint."""
        tables = {f"table:{kind}": one for kind, one in self._tables.items()}
        return tables | {f"fold:{name}": one for name, one in self._folds.items()}

    def _past_parts(self) -> dict[str, Table[Any] | Fold]:
        """Those that follow a past that is folded."""
        return {name: one for name, one in self._parts().items() if not isinstance(one, Derived)}

    def _follow(self, parts: Mapping[str, Any]) -> None:
        """Let events happen to these parts from now on: to tables before folds, which read them."""
        routes: dict[str, list[Happens]] = {}
        hanging = any(isinstance(one, Attached) for one in parts.values())
        for topic, kind in EVENTS.items():
            one = parts.get(f"table:{kind.KIND}")
            routes[topic] = self._happens(one, kind) if one is not None else []
            if kind.REMOVES and hanging:
                routes[topic].append(self._ended)
        folds = [one for name, one in parts.items() if name.startswith("fold:")]
        for fold in folds:
            for topic in fold.TOPICS:
                routes[topic] += self._happens(fold, EVENTS[topic])
        self._dispatch = {topic: tuple(happens) for topic, happens in routes.items()}
        self._acted: list[Happens] = [one.acted for one in folds if hasattr(one, "acted")]

    def _happens(self, fold: Any, kind: type[Event]) -> list[Happens]:
        """What an event of this kind does to a fold; nothing while it need not know."""
        found = fold.past(kind) if fold in self._deferred else fold.fold
        return [] if found is None else [found]


def _drop(hanging: list[Attached[Any]], ended: Recorded) -> None:
    """What hung on the thing that this event ends is gone with it."""
    for one in hanging:
        if one.rows:
            one.drop(ended.stream)
