"""Rows of answers, as JSON, kept until something that they were made from changes.

A view is made from its row and from whatever else it shows: names, disks, tags. While it is made,
every row and every index entry that it reads is noted; when the log changes one of them, what was
made from it is forgotten. So nothing has to be declared, and nothing stale can be served.

What many answers rest on (a zone, an account) is not noted for each: when it changes, everything
is forgotten. What reads a fold that is no table, or the time, is made anew each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast
from uuid import UUID

import msgspec

from api.declare import View
from api.found import Found
from api.pages import Pages
from api.render import CLOSING, limited
from projections.cloud import Cloud
from projections.table import Table, TableSpec
from projections.vitals import Vitals

Key = tuple[Any, ...]
Made = dict[int, bytes]

MEASURED = "measured"
KEPT_BYTES = 256 * 2**20
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
    """A table that notes which of its rows and index entries were asked for."""

    def __init__(self, table: Table[Any], keys: set[Key]) -> None:
        self._table, self._keys = table, keys
        self.spec = table.spec

    def get(self, row_id: UUID | None) -> Any:
        if row_id is not None:
            self._keys.add((self.spec.kind, row_id))
        return self._table.get(row_id)

    def __getitem__(self, row_id: UUID) -> Any:
        self._keys.add((self.spec.kind, row_id))
        return self._table[row_id]

    def __contains__(self, row_id: object) -> bool:
        self._keys.add((self.spec.kind, row_id))
        return row_id in self._table

    def by(self, attribute: str, value: object) -> Iterable[Any]:
        self._keys.add((self.spec.kind, attribute, value))
        return self._table.by(attribute, value)

    def one(self, attribute: str, value: object) -> Any:
        return next(iter(self.by(attribute, value)), None)

    def by_text(self, attribute: str, text: str) -> Iterable[Any]:
        self._keys.add((self.spec.kind,))
        return self._table.by_text(attribute, text)

    def __iter__(self) -> Iterator[Any]:
        self._keys.add((self.spec.kind,))
        return iter(self._table)

    def __len__(self) -> int:
        self._keys.add((self.spec.kind,))
        return len(self._table)


class ReadVitals:
    """Measurements, noting whose were asked for: that is every question's first argument."""

    def __init__(self, vitals: Vitals, keys: set[Key]) -> None:
        self._vitals, self._keys = vitals, keys

    def __getattr__(self, name: str) -> Any:
        ask = getattr(self._vitals, name)

        def asked(measured_id: UUID, *more: Any) -> Any:
            self._keys.add((MEASURED, measured_id))
            return ask(measured_id, *more)

        return asked


class Memo:
    """What was made of the live cloud's rows. Rows are told apart by identity: each is one object
    from its creation to its removal, which is forgotten like any other change.

    `found` is what was found of late; it is told of the same changes.
    """

    def __init__(self, cloud: Cloud, *, kept_bytes: int = KEPT_BYTES) -> None:
        self._cloud, self._kept_bytes = cloud, kept_bytes
        self.found = Found()
        self._pages = Pages()
        self._made: dict[tuple[type[View], str], Made] = {}
        self._rest_on: dict[Key, set[tuple[type[View], str, int]] | None] = {}
        self._indexed: dict[str, tuple[str, ...]] = {}
        self.size_bytes = 0
        cloud.watch(self.changed)
        cloud.vitals.watch = self.measured

    def page(self, view: type[View], role_type: str, rows: list[Any]) -> bytes:
        """The answers for these rows, with commas between, and what closes an answer behind."""
        shown = (view, role_type)
        page = self._pages.get(shown, rows) if rows else CLOSING
        if page is None:
            made = self.of(view, role_type, rows)
            page = b",".join((*made[:-1], made[-1] + CLOSING))
            known = self._made[shown]
            if all(id(row) in known for row in rows):
                self._pages.keep(shown, rows, page)
        return page

    def of(self, view: type[View], role_type: str, rows: Iterable[Any]) -> list[bytes]:
        """The answer for each row, as callers of this role type see it."""
        made = self._made.get((view, role_type))
        if made is None:
            made = self._made[view, role_type] = {}
        get = made.get
        return [get(id(row)) or self._make(view, role_type, row) for row in rows]

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
        self.size_bytes += len(json)
        if self.size_bytes > self._kept_bytes:
            self.forget()
            self.size_bytes = len(json)
        self._made.setdefault((view, role_type), {})[id(row)] = json
        keys.add((row.KIND, row.id))
        mark = (view, role_type, id(row))
        for key in keys:
            if len(key) == 3:
                known = self._indexed.get(key[0], ())
                if key[1] not in known:
                    self._indexed[key[0]] = (*known, key[1])
            marks = self._rest_on.setdefault(key, set())
            if marks is None:
                continue
            marks.add(mark)
            if len(marks) > COMMON:
                self._rest_on[key] = None

    def changed(self, kind: str, row: Any, before: dict[str, Any]) -> None:
        """`row` has changed, come or gone; `before` are the index entries that it has left."""
        self.found.changed(kind, row)
        rest_on = self._rest_on
        if not rest_on:
            return
        self._drop((kind, row.id))
        self._drop((kind,))
        for name in self._indexed.get(kind, ()):
            self._drop((kind, name, getattr(row, name)))
            if name in before:
                self._drop((kind, name, before[name]))

    def measured(self, vm_id: UUID) -> None:
        """A guest was measured anew, or is measured no more."""
        self._drop((MEASURED, vm_id))

    def _drop(self, key: Key) -> None:
        if key not in self._rest_on:
            return
        marks = self._rest_on.pop(key)
        if marks is None:
            self.forget()
            return
        for view, role_type, ident in marks:
            json = self._made[view, role_type].pop(ident, None)
            if json is not None:
                self.size_bytes -= len(json)
                self._pages.forgot(ident)

    def forget(self) -> None:
        """Everything is made anew when it is next asked for."""
        for made in self._made.values():
            made.clear()
        self._rest_on.clear()
        self._pages.clear()
        self.size_bytes = 0
