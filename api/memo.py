"""Rows of answers, as JSON, kept until something that they were made from changes.

A view is made from its row and from whatever else it shows: names, disks, tags. While it is made,
every row and every index entry that it reads is noted; when the log changes one of them, what was
made from it is forgotten. So nothing has to be declared, and nothing stale can be served.

What an answer rests on by its row's own id (a guest's disks, its tags) is noted once for all
answers of a view. What many answers rest on (a zone, an account) is not noted for each: when it
changes, everything is forgotten. What reads a fold that is no table, or the time, is made anew
each time. Answers that nobody has asked for lately are kept packed: see `shelf`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, cast
from uuid import UUID

import msgspec

from api.declare import View
from api.found import Found
from api.pages import Pages
from api.render import CLOSING, limited
from api.shelf import Key, Pattern, Shelf
from api.signers import Signers
from projections.cloud import Cloud
from projections.picked import Picked
from projections.table import Table, TableSpec
from projections.vitals import Vitals

MEASURED = "measured"
WHOLE = "whole"
"""What stands for all rows of a table in place of one's id."""
KEPT_BYTES = 256 * 2**20
READY_BYTES = 16 * 2**20
"""Eighteen pages of five hundred guests; whole pages are kept besides."""
COMMON = 256
"""How many answers may rest on one thing before it counts as what everything rests on."""


class Reads:
    """What a view read while it was made."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.keys: set[Key] = set()
        self.lasting = True

    def __getitem__(self, spec: TableSpec[Any]) -> Any:
        return self._noted(self.cloud[spec])

    def table(self, kind: str) -> Any:
        return self._noted(self.cloud.table(kind))

    def _noted(self, table: Any) -> Any:
        """A table that notes what is read of it; what only stands for a table is read unseen."""
        if isinstance(table, Table):
            return ReadTable(table, self.keys)
        self.lasting = False
        return table

    @property
    def vitals(self) -> ReadVitals:
        return ReadVitals(self.cloud.vitals, self.keys)

    def __getattr__(self, name: str) -> Any:
        """Anything else, such as the position, is another one at the next event."""
        self.lasting = False
        return getattr(self.cloud, name)


class ReadTable:
    """A table that notes which of its rows and index entries were asked for.

    A view keeps none of them, so they are only looked at.
    """

    def __init__(self, table: Table[Any], keys: set[Key]) -> None:
        self._table, self._keys = table, keys
        self.spec = table.spec

    def get(self, row_id: UUID | None) -> Any:
        if row_id is None:
            return None
        self._keys.add(((self.spec.kind,), row_id))
        return self._table.look(row_id.int) if row_id in self._table else None

    def __getitem__(self, row_id: UUID) -> Any:
        self._keys.add(((self.spec.kind,), row_id))
        return self._table.look(row_id.int)

    def __contains__(self, row_id: object) -> bool:
        self._keys.add(((self.spec.kind,), row_id))
        return row_id in self._table

    def by(self, attribute: str, value: object) -> Iterable[Any]:
        self._keys.add(((self.spec.kind, attribute), value))
        return self._table.by(attribute, value).looked_at()

    def one(self, attribute: str, value: object) -> Any:
        return next(iter(self.by(attribute, value)), None)

    def by_text(self, attribute: str, text: str) -> Iterable[Any]:
        self._keys.add(((self.spec.kind,), WHOLE))
        return self._table.by_text(attribute, text).looked_at()

    def __iter__(self) -> Iterator[Any]:
        self._keys.add(((self.spec.kind,), WHOLE))
        return self._table.each()

    def __len__(self) -> int:
        self._keys.add(((self.spec.kind,), WHOLE))
        return len(self._table)


class ReadVitals:
    """Measurements, noting whose were asked for: that is every question's first argument."""

    def __init__(self, vitals: Vitals, keys: set[Key]) -> None:
        self._vitals, self._keys = vitals, keys

    def __getattr__(self, name: str) -> Any:
        ask = getattr(self._vitals, name)

        def asked(measured_id: UUID, *more: Any) -> Any:
            self._keys.add(((MEASURED,), measured_id))
            return ask(measured_id, *more)

        return asked


class Memo:
    """What was made of the live cloud's rows. Rows are told by the numbers of their ids: no row of
    a number comes but after the end of the one before, which is forgotten like any other change.

    `found` is what was found of late, `signers` who signs; they are told of the same changes.
    """

    def __init__(
        self, cloud: Cloud, *, kept_bytes: int = KEPT_BYTES, ready_bytes: int = READY_BYTES
    ) -> None:
        self.found, self.signers = Found(), Signers()
        self._pages = Pages()
        self._cloud, self._kept_bytes, self._most_ready = cloud, kept_bytes, ready_bytes
        self._shelves: dict[tuple[type[View], str], Shelf] = {}
        self._of_kind: dict[str, list[Shelf]] = {}
        self._resting: dict[Pattern, list[Shelf]] = {}
        self._indexed: dict[str, tuple[str, ...]] = {}
        self._ready: deque[tuple[Shelf, int]] = deque()
        self._ready_bytes = self._packed_bytes = 0
        cloud.watch(self.changed)
        cloud.vitals.watch = self.measured

    @property
    def size_bytes(self) -> int:
        return self._ready_bytes + self._packed_bytes

    @property
    def packed_count(self) -> int:
        """How many answers are packed."""
        return sum(len(shelf.packed) for shelf in self._shelves.values())

    def page(self, view: type[View], role_type: str, rows: Picked[Any]) -> bytes:
        """The answers for these rows, with commas between, and what closes an answer behind."""
        shown, numbers = (view, role_type), rows.numbers
        page = self._pages.get(shown, numbers) if numbers else CLOSING
        if page is None:
            made = self.of(view, role_type, rows)
            page = b",".join((*made[:-1], made[-1] + CLOSING))
            shelf = self._shelves.get(shown)
            if shelf is not None and all(number in shelf for number in numbers):
                self._pages.keep(shown, numbers, page)
        return page

    def of(self, view: type[View], role_type: str, rows: Picked[Any]) -> list[bytes]:
        """The answer for each row, as callers of this role type see it."""
        shelf = self._shelves.get((view, role_type))
        if shelf is None:
            return [self._make(view, role_type, row) for row in rows.looked_at()]
        get, look = shelf.ready.get, rows.table.look
        return [
            get(number)
            or self._unpacked(shelf, number)
            or self._make(view, role_type, look(number))
            for number in rows.numbers
        ]

    def _unpacked(self, shelf: Shelf, number: int) -> bytes | None:
        """One that is not ready but packed; None if it is not made yet."""
        json = shelf.unpack(number)
        if json is not None:
            self._make_room(shelf, number, len(json))
        return json

    def _make(self, view: type[View], role_type: str, row: Any) -> bytes:
        reads = Reads(self._cloud)
        shown = limited(view.of(row, cast(Cloud, reads)), role_type)
        json = msgspec.json.encode(shown)
        if reads.lasting:
            self._keep(view, role_type, row, json, reads.keys)
        return json

    def _keep(
        self, view: type[View], role_type: str, row: Any, json: bytes, keys: set[Key]
    ) -> None:
        shelf = self._shelves.get((view, role_type))
        if shelf is None:
            shelf = self._shelves[view, role_type] = Shelf(row.KIND)
            self._of_kind.setdefault(row.KIND, []).append(shelf)
        size_bytes, number = len(json), row.id.int
        if self.size_bytes + size_bytes > self._kept_bytes:
            self.forget()
        shelf.ready[number] = json
        self._make_room(shelf, number, size_bytes)
        own, row_id = shelf.own, row.id
        for key in keys:
            pattern, value = key
            if value == row_id:
                if pattern not in own:
                    own.add(pattern)
                    self._listen(pattern, shelf)
                continue
            if key not in shelf.rests:
                self._listen(pattern, shelf)
            shelf.note(key, number, COMMON)

    def _listen(self, pattern: Pattern, shelf: Shelf) -> None:
        """Tell this shelf of changes of this pattern."""
        told = self._resting.setdefault(pattern, [])
        if shelf not in told:
            told.append(shelf)
        kind, *names = pattern
        known = self._indexed.get(kind, ())
        if names and names[0] not in known:
            self._indexed[kind] = (*known, names[0])

    def _make_room(self, shelf: Shelf, number: int, size_bytes: int) -> None:
        """One more is ready: pack the oldest if they are too many, but never this one."""
        self._ready_bytes += size_bytes
        ready = self._ready
        ready.append((shelf, number))
        while self._ready_bytes > self._most_ready and len(ready) > 1:
            oldest, its = ready.popleft()
            plain, packed = oldest.pack(its)
            self._ready_bytes -= plain
            self._packed_bytes += packed
        if len(ready) % COMMON == 0:
            self._tidy()

    def _tidy(self) -> None:
        """The queue still names those that were forgotten: begin it anew if they are many."""
        count = sum(len(shelf.ready) for shelf in self._shelves.values())
        if len(self._ready) > 2 * count + COMMON:
            each = self._shelves.values()
            self._ready = deque((shelf, number) for shelf in each for number in shelf.ready)

    def changed(self, kind: str, row: Any, before: dict[str, Any]) -> None:
        """`row` has changed, come or gone; `before` are the index entries that it has left."""
        self.found.changed(kind, row)
        self.signers.changed(kind)
        for shelf in self._of_kind.get(kind, ()):
            self._drop(shelf, row.id.int)
        resting = self._resting
        if (kind,) in resting:
            self._drop_resting((kind,), row.id)
            self._drop_resting((kind,), WHOLE)
        for name in self._indexed.get(kind, ()):
            pattern = (kind, name)
            self._drop_resting(pattern, getattr(row, name))
            if name in before:
                self._drop_resting(pattern, before[name])

    def measured(self, vm_id: UUID) -> None:
        """A guest was measured anew, or is measured no more."""
        self._drop_resting((MEASURED,), vm_id)

    def _drop_resting(self, pattern: Pattern, value: Any) -> None:
        for shelf in self._resting.get(pattern, ()):
            if pattern in shelf.own and isinstance(value, UUID):
                self._drop(shelf, value.int)
            resting = shelf.resting_on((pattern, value))
            if resting is None:
                self.forget()
                return
            for number in resting:
                self._drop(shelf, number)

    def _drop(self, shelf: Shelf, number: int) -> None:
        plain, packed = shelf.drop(number)
        if plain or packed:
            self._pages.forgot(number)
        self._ready_bytes -= plain
        self._packed_bytes -= packed

    def forget(self) -> None:
        """Everything is made anew when it is next asked for."""
        for shelf in self._shelves.values():
            shelf.clear()
        self._ready.clear()
        self._pages.clear()
        self._ready_bytes = self._packed_bytes = 0
