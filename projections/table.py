"""A table is the live fold of every aggregate of one noun, with the indexes that lists ask for.

The row *is* the aggregate's state, so there is one fold a noun. Rows belong to the fold: readers
look and never write. A noun declares its table in `projections/<noun>.py`:

    vms = table(Vm, indexed=("account_id", "host_id", "state"))

and everybody reads it as `cloud[vms]`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

import msgspec

from aggregates.base import Aggregate, Event, Recorded, build
from projections.batches import in_batches, of_batches
from projections.shared import Plan, Unshared, share, stands, touched

R = TypeVar("R", bound=Aggregate)
# Rows by the value of one attribute: the only one that has it, or those that have it, in order of
# creation; of one moment, in the order in which they came. A list costs eight bytes a row, a dict
# of them fifty.
Index = dict[Any, R | list[R]]
# Told of a kind, a row that changed, came or went, and the index entries that it has left.
Watch = Callable[[str, Any, dict[str, Any]], None]
# Indexed attributes that people type, and so look for without regard to case.
TYPED_BY_PEOPLE = ("name",)
CREATED = attrgetter("created_at_ms")
NOTHING_LEFT: dict[str, Any] = {}


@dataclass(frozen=True, slots=True, eq=False)
class TableSpec(Generic[R]):
    """Which aggregate a table holds and by which of its attributes rows are found quickly."""

    row: type[R]
    indexed: tuple[str, ...] = ()
    make: Callable[[TableSpec[R]], Table[R]] | None = None

    @property
    def kind(self) -> str:
        return self.row.KIND

    @property
    def folded(self) -> tuple[str, ...]:
        """The indexed attributes that can be looked up without regard to case."""
        return tuple(name for name in self.indexed if name in TYPED_BY_PEOPLE)


TABLES: dict[str, TableSpec[Any]] = {}


def table(
    row: type[R],
    *,
    indexed: tuple[str, ...] = (),
    make: Callable[[TableSpec[R]], Table[R]] | None = None,
) -> TableSpec[R]:
    """Declare the table of a noun. An indexed attribute must hold a hashable value."""
    assert row.KIND not in TABLES, f"{row.KIND} has two tables"
    missing = [name for name in indexed if name not in row.__struct_fields__]
    assert not missing, f"{row.KIND} has no attribute {missing}"
    TABLES[row.KIND] = spec = TableSpec(row, indexed, make)
    return spec


class Table(Generic[R]):
    """Rows by id, in order of creation, and by each indexed attribute."""

    def __init__(self, spec: TableSpec[R]) -> None:
        self.spec = spec
        self.rows: dict[int, R] = {}
        self._folds = spec.folded
        self.watch: Watch | None = None
        self._keys = _keys_of(spec.indexed)
        self._is_deferred = False
        self._unshared = Unshared()
        self._brings: dict[type[Event], Plan | None] = {}
        self._empty()

    def _empty(self) -> None:
        self._index: dict[str, Index[R]] = {name: {} for name in self.spec.indexed}
        self._text: dict[str, Index[R]] = {name: {} for name in self._folds}

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

    def by(self, attribute: str, value: object) -> Collection[R]:
        """The rows whose indexed `attribute` equals `value`; costs nothing for the others."""
        return _listed(self._index[attribute].get(value))

    def counts(self, attribute: str) -> dict[Any, int]:
        """How many rows have each value of an indexed attribute; costs nothing for the rows."""
        return {value: len(_listed(found)) for value, found in self._index[attribute].items()}

    def by_text(self, attribute: str, text: str) -> Collection[R]:
        """The rows whose `attribute`, one of `spec.folded`, is this text in any case."""
        folded = text.casefold()
        same = _listed(self._index[attribute].get(folded))
        other = _listed(self._text[attribute].get(folded))
        return [*same, *other] if other else same

    def one(self, attribute: str, value: object) -> R | None:
        """The first row whose indexed `attribute` equals `value`."""
        return next(iter(self.by(attribute, value)), None)

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
        return self._end_past if kind.REMOVES else self._change_past

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
        row = self.rows[recorded.stream.int]
        if happened.REMOVES:
            self.discard(row.id)
            return
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

    def _change_past(self, recorded: Recorded) -> None:
        happened, number = recorded.event, recorded.stream.int
        row = self.rows[number]
        happened.apply(row, recorded.at_ms)
        row.version = recorded.version
        if self._brought(type(happened)) is not None:
            self._unshared.numbers.add(number)

    def _end_past(self, recorded: Recorded) -> None:
        del self.rows[recorded.stream.int]

    def discard(self, row_id: UUID) -> None:
        """Forget a row; the log still has it."""
        row = self.rows.pop(row_id.int)
        self._drop(row, self._keys(row))
        if self.watch is not None:
            self.watch(self.spec.kind, row, {})

    def _move(self, row: R, before: tuple[Any, ...], after: tuple[Any, ...]) -> dict[str, Any]:
        """Re-list a row under those of its keys that changed; the entries that it has left."""
        left: dict[str, Any] = {}
        for name, old, new in zip(self.spec.indexed, before, after, strict=True):
            if old is new or old == new:
                continue
            left[name] = old
            _unlist(self._index[name], old, row)
            _list(self._index[name], new, row)
            if name in self._text:
                self._unlist_text(name, old, row)
                self._list_text(name, new, row)
        return left

    def _add(self, row: R) -> None:
        for index, key in zip(self._index.values(), self._keys(row), strict=True):
            _list(index, key, row)
        for name in self._folds:
            self._list_text(name, getattr(row, name), row)

    def _drop(self, row: R, keys: tuple[Any, ...]) -> None:
        for name, key in zip(self.spec.indexed, keys, strict=True):
            _unlist(self._index[name], key, row)
            if name in self._text:
                self._unlist_text(name, key, row)

    def _list_text(self, name: str, text: str, row: R) -> None:
        """Have a row found without regard to case; most texts have none, and are found as such."""
        folded = text.casefold()
        if folded != text:
            _list(self._text[name], folded, row)

    def _unlist_text(self, name: str, text: str, row: R) -> None:
        folded = text.casefold()
        if folded != text:
            _unlist(self._text[name], folded, row)

    def encode(self) -> bytes:
        """Every row, for a checkpoint."""
        return msgspec.msgpack.encode(in_batches(self.rows.values()))

    def restore(self, encoded: bytes) -> None:
        """Take over the rows of a checkpoint."""
        batches = msgspec.msgpack.decode(encoded, type=list[msgspec.Raw])
        rows = of_batches(batches, self.spec.row)
        self.rows = {row.id.int: row for row in rows}
        self._empty()
        if not self._is_deferred:
            self._index_all()

    def _index_all(self) -> None:
        rows = sorted(self.rows.values(), key=CREATED)
        for name in self.spec.indexed:
            index, key_of = self._index[name], attrgetter(name)
            for row in rows:
                key = key_of(row)
                found = index.get(key)
                if found is None:
                    index[key] = row
                elif type(found) is list:
                    found.append(row)
                else:
                    index[key] = [found, row]  # type: ignore[list-item]
        for name in self._folds:
            word_of = attrgetter(name)
            for row in rows:
                self._list_text(name, word_of(row), row)


def _keys_of(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """What reads these attributes of a row, in one call."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda row: tuple(getattr(row, name) for name in names)


def _list(index: Index[R], key: Any, row: R) -> None:
    found = index.get(key)
    if found is None:
        index[key] = row
        return
    if type(found) is not list:
        found = index[key] = cast(list[R], [found])
    if row.created_at_ms >= found[-1].created_at_ms:
        found.append(row)
    else:
        found.insert(bisect_right(found, row.created_at_ms, key=CREATED), row)


def _unlist(index: Index[R], key: Any, row: R) -> None:
    """Take a row out of an index, and the key with it if it was the last one."""
    found = index[key]
    if type(found) is not list:
        del index[key]
    elif len(found) == 2:
        index[key] = found[found[0] is row]
    else:
        del found[_place(found, row)]


def _place(rows: list[R], row: R) -> int:
    """Where a row is: of those made at one moment, the one that it is itself."""
    at = bisect_left(rows, row.created_at_ms, key=CREATED)
    while rows[at] is not row:
        at += 1
    return at


def _listed(found: R | list[R] | None) -> Collection[R]:
    """The rows of one entry."""
    if found is None:
        return ()
    return found if type(found) is list else (found,)  # type: ignore[return-value]
