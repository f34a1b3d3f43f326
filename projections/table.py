"""A table is the live fold of every aggregate of one noun, with the indexes that lists ask for.

The row *is* the aggregate's state, so there is one fold a noun. Rows belong to the fold: readers
look and never write. A noun declares its table in `projections/<noun>.py`:

    vms = table(Vm, indexed=("account_id", "host_id", "state"))

and everybody reads it as `cloud[vms]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from operator import attrgetter
from typing import Any, Generic, TypeVar, get_type_hints
from uuid import UUID

import msgspec

from aggregates.base import Aggregate, Event, Recorded, build
from aggregates.ids import id_numbered
from projections.batches import in_batches, of_batches
from projections.index import Entries, Index, Seldom
from projections.picked import Picked
from projections.shared import Plan, Unshared, share, stands, touched

R = TypeVar("R", bound=Aggregate)
FEW = 256
"""So many rows are looked at in less time than indexes of many take to be compared."""
# Told of a kind, a row that changed, came or went, and the index entries that it has left.
Watch = Callable[[str, Any, dict[str, Any]], None]
# Indexed attributes that people type, and so look for without regard to case.
TYPED_BY_PEOPLE = ("name",)
NOTHING_LEFT: dict[str, Any] = {}


@dataclass(frozen=True, eq=False)
class TableSpec(Generic[R]):
    """Which aggregate a table holds and by which of its attributes rows are found quickly.

    `seldom` are those of `indexed` that most rows have not: rows with `None`, an empty text or 0
    are not to be found by them.
    """

    row: type[R]
    indexed: tuple[str, ...] = ()
    make: Callable[[TableSpec[R]], Table[R]] | None = None
    seldom: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return self.row.KIND

    @cached_property
    def ids(self) -> frozenset[str]:
        """The indexed attributes whose values are ids."""
        hints = get_type_hints(self.row)
        return frozenset(name for name in self.indexed if hints[name] in (UUID, UUID | None))

    def index(
        self, name: str, created: Callable[[int], int], entries: Entries | None = None
    ) -> Index:
        """An index of an attribute, with these entries."""
        return (Seldom if name in self.seldom else Index)(created, entries)

    @property
    def folded(self) -> tuple[str, ...]:
        """The indexed attributes that can be looked up without regard to case."""
        return tuple(name for name in self.indexed if name in TYPED_BY_PEOPLE)


TABLES: dict[str, TableSpec[Any]] = {}


def table(
    row: type[R],
    *,
    indexed: tuple[str, ...] = (),
    seldom: tuple[str, ...] = (),
    make: Callable[[TableSpec[R]], Table[R]] | None = None,
) -> TableSpec[R]:
    """Declare the table of a noun. An indexed attribute must hold a hashable value.

    Those that most rows have not are `seldom`: they cost little, and find no row without.
    """
    assert row.KIND not in TABLES, f"{row.KIND} has two tables"
    names = (*indexed, *seldom)
    missing = [name for name in names if name not in row.__struct_fields__]
    assert not missing, f"{row.KIND} has no attribute {missing}"
    TABLES[row.KIND] = spec = TableSpec(row, names, make, seldom)
    return spec


class Table(Generic[R]):
    """Rows by id, in order of creation, and by each indexed attribute."""

    def __init__(self, spec: TableSpec[R]) -> None:
        self.spec = spec
        self.rows: dict[int, R] = {}
        self._folds = spec.folded
        self.watch: Watch | None = None
        self._keys = reads(spec.indexed)
        self._is_deferred = False
        self._unshared = Unshared()
        self._brings: dict[type[Event], Plan | None] = {}
        self._empty()

    def _empty(self) -> None:
        created = self._created()
        self._index = {name: self.spec.index(name, created) for name in self.spec.indexed}
        self._text = {name: Index(created) for name in self._folds}

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[R]:
        return iter(self.rows.values())

    def __contains__(self, row_id: object) -> bool:
        return isinstance(row_id, UUID) and row_id.int in self.rows

    def __getitem__(self, row_id: UUID) -> R:
        return self.rows[row_id.int]

    def get(self, row_id: UUID | None) -> R | None:
        return None if row_id is None else self.rows.get(row_id.int)

    def at(self, number: int) -> R:
        """The row whose id has this number."""
        return self.rows[number]

    def look(self, number: int) -> R:
        """The same row, to be read now and not to be kept: it may change no more."""
        return self.rows[number]

    def glance(self, number: int) -> Any:
        """What has the attributes of that row, and need not be one: to test it, and no more."""
        return self.rows[number]

    def each(self) -> Iterator[R]:
        """Every row, to be read before the next one comes and not to be kept."""
        return map(self.look, self.rows)

    def created_at_ms(self, number: int) -> int:
        """When the row of this number was created."""
        return self.rows[number].created_at_ms

    def _created(self) -> Callable[[int], int]:
        """The same for indexes, which know the rows there are now, and not the table."""
        return partial(_created_in, self.rows)

    def picked(self) -> Picked[R]:
        """All rows, as they are numbered now, in the table's order."""
        return Picked(self, list(self.rows))

    def by(self, attribute: str, value: object) -> Picked[R]:
        """The rows whose indexed `attribute` equals `value`; costs nothing for the others."""
        return Picked(self, self._index[attribute].of(value))

    def having(self, attribute: str, wanted: Callable[[Any], bool]) -> Picked[R]:
        """The rows whose indexed `attribute`, which is no id, passes a test; costs nothing for the
        others, as each value is tested once."""
        entries = self._index[attribute].items()
        return Picked(self, [one for value, found in entries if wanted(value) for one in found])

    def both(self, one: str, value: object, other: str, wanted: Callable[[Any], bool]) -> Picked[R]:
        """The rows with this value of `one` whose `other`, which is no id, passes a test, too.

        Rows are looked at where few have either; else both indexes say it, in C.
        """
        mine = self._index[one].of(value)
        if len(mine) <= FEW:
            return Picked(self, mine).passing((lambda row: wanted(getattr(row, other)),))
        theirs = self.having(other, wanted)
        if FEW * len(theirs) < len(mine):
            return theirs.passing((lambda row: getattr(row, one) == value,))
        return Picked(self, list(filter(set(theirs.numbers).__contains__, mine)))

    def counts(self, attribute: str) -> dict[Any, int]:
        """How many rows have each value of an indexed attribute; costs nothing for the rows."""
        told = self._index[attribute].counts()
        if attribute in self.spec.ids:
            return {None if key is None else id_numbered(key): count for key, count in told}
        return dict(told)

    def by_text(self, attribute: str, text: str) -> Picked[R]:
        """The rows whose `attribute`, one of `spec.folded`, is this text in any case."""
        folded = text.casefold()
        same = self._index[attribute].of(folded)
        other = self._text[attribute].of(folded)
        return Picked(self, [*same, *other] if other else same)

    def one(self, attribute: str, value: object) -> R | None:
        """The first row whose indexed `attribute` equals `value`."""
        found = self._index[attribute].of(value)
        return self.at(found[0]) if found else None

    def defer(self) -> None:
        """Leave the indexes be while a long past is folded; until `settle` only rows are right."""
        self._is_deferred = True
        self._empty()

    def settle(self) -> None:
        """Index the rows that there are by now."""
        if self._is_deferred:
            self._is_deferred = False
            self._unshared.share(self.rows, at_least=0)
            self._index_all()

    def past(self, kind: type[Event]) -> Callable[[Recorded], None]:
        """How an event of this kind happens to its row while indexes wait."""
        if kind.CREATES is not None:
            return self._begin_past
        return self._end_past if kind.REMOVES else self._changing(kind)

    def tidy(self) -> None:
        self._unshared.share(self.rows)

    def fold(self, recorded: Recorded) -> None:
        """Let one event happen to its row. Called in log order, by the feed alone."""
        happened = recorded.event
        if happened.CREATES is not None:
            row: Any = build(recorded)
            share(row)
            self.rows[row.id.int] = row
            self._add(row)
            if self.watch is not None:
                self.watch(self.spec.kind, row, {})
            return
        if happened.REMOVES:
            self.discard(recorded.stream)
            return
        row = self.at(recorded.stream.int)
        before = self._keys(row)
        self._apply(row, recorded)
        after = self._keys(row)
        left = self._move(row, before, after) if after != before else NOTHING_LEFT
        if self.watch is not None:
            self.watch(self.spec.kind, row, left)

    def _apply(self, row: R, recorded: Recorded) -> None:
        happened = recorded.event
        happened.apply(row, recorded.at_ms)
        row.version = recorded.version
        brings = self._brought(type(happened))
        if brings is not None:
            brings.share(row)

    def _brought(self, kind: type[Event]) -> Plan | None:
        try:
            return self._brings[kind]
        except KeyError:
            found = self._brings[kind] = touched(kind, self.spec.row)
            return found

    def _begin_past(self, recorded: Recorded) -> None:
        row: Any = build(recorded)
        number = recorded.stream.int
        self.rows[number] = row
        stands(row.id)
        self._unshared.numbers.add(number)

    def _changing(self, kind: type[Event]) -> Callable[[Recorded], None]:
        """How events of this kind change rows of a past."""
        at, apply, brings = self.at, kind.apply, self._brought(kind) is not None
        came = self._unshared.numbers.add

        def change(recorded: Recorded) -> None:
            number = recorded.stream.int
            row = at(number)
            apply(recorded.event, row, recorded.at_ms)
            row.version = recorded.version
            if brings:
                came(number)

        return change

    def _end_past(self, recorded: Recorded) -> None:
        del self.rows[recorded.stream.int]

    def discard(self, row_id: UUID) -> None:
        """Forget a row; the log still has it."""
        row = self.at(row_id.int)
        self._drop(row, self._keys(row))
        del self.rows[row_id.int]
        if self.watch is not None:
            self.watch(self.spec.kind, row, {})

    def _move(self, row: R, before: tuple[Any, ...], after: tuple[Any, ...]) -> dict[str, Any]:
        """Re-list a row under those of its keys that changed; the entries that it has left."""
        left: dict[str, Any] = {}
        number, at_ms = row.id.int, row.created_at_ms
        for name, old, new in zip(self.spec.indexed, before, after, strict=True):
            if old is new or old == new:
                continue
            left[name] = old
            index = self._index[name]
            index.put(new, index.take(old, number, at_ms), at_ms)
            if name in self._text:
                self._unlist_text(name, old, row)
                self._list_text(name, new, row)
        return left

    def _add(self, row: R) -> None:
        number, at_ms = row.id.int, row.created_at_ms
        for index, key in zip(self._index.values(), self._keys(row), strict=True):
            index.put(key, number, at_ms)
        for name in self._folds:
            self._list_text(name, getattr(row, name), row)

    def _drop(self, row: R, keys: tuple[Any, ...]) -> None:
        number, at_ms = row.id.int, row.created_at_ms
        for name, key in zip(self.spec.indexed, keys, strict=True):
            self._index[name].take(key, number, at_ms)
            if name in self._text:
                self._unlist_text(name, key, row)

    def _list_text(self, name: str, text: str, row: R) -> None:
        """Have a row found without regard to case; most texts have none, and are found as such."""
        folded = text.casefold()
        if folded != text:
            self._text[name].put(folded, row.id.int, row.created_at_ms)

    def _unlist_text(self, name: str, text: str, row: R) -> None:
        folded = text.casefold()
        if folded != text:
            self._text[name].take(folded, row.id.int, row.created_at_ms)

    def encode(self) -> bytes:
        """Every row, for a checkpoint."""
        return msgspec.msgpack.encode(in_batches(self.each()))

    def restore(self, encoded: bytes) -> None:
        """Take over the rows of a checkpoint."""
        batches = msgspec.msgpack.decode(encoded, type=list[msgspec.Raw])
        rows = of_batches(batches, self.spec.row)
        self.rows = {row.id.int: row for row in rows}
        self._empty()
        if not self._is_deferred:
            self._index_all()

    def _index_all(self) -> None:
        numbers = sorted(self.rows, key=self.created_at_ms)
        rows = [self.rows[number] for number in numbers]
        for name in self.spec.indexed:
            append, keys = self._index[name].append, map(attrgetter(name), rows)
            for key, number in zip(keys, numbers, strict=True):
                append(key, number)
        for name in self._folds:
            word_of = attrgetter(name)
            for row in rows:
                self._list_text(name, word_of(row), row)


def reads(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """What reads these attributes of an object, in one call."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda row: tuple(getattr(row, name) for name in names)


def _created_in(rows: dict[int, Any], number: int) -> int:
    at_ms: int = rows[number].created_at_ms
    return at_ms
