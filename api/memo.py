"""Rows of answers, as JSON, kept until something that they were made from changes.

A view is made from its row and from whatever else it shows: names, disks, tags. While it is made,
every row and every index entry that it reads is noted (`api.reads`); when the log changes one of
them, what was made from it is forgotten. So nothing has to be declared, and nothing stale can be
served.

What an answer rests on by its row's own id (a guest's disks, its tags) is noted once for all
answers of a view. Of a row that several show (a zone, an account) it is known what they show of
it: while that stays as it is, they stay. If more rest on a thing than are worth noting, all
answers of the view are forgotten with it. What reads a fold that is no table, or the time, is made
anew each time.

Measurements are others each minute, of everything at once. A view that shows some says which
(`View.MEASURED`): they are put behind the rest of the answer, and forgotten by themselves.

Answers that nobody has asked for lately are kept packed: see `shelf`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, cast
from uuid import UUID

import msgspec

from api.declare import View
from api.found import Found
from api.pages import Pages, joined
from api.reads import WHOLE, Common, Key, Pattern, Reads
from api.render import CLOSING, limited
from api.shelf import Shelf
from api.signers import Signers
from projections.cloud import Cloud
from projections.picked import Picked

KEPT_BYTES = 256 * 2**20
READY_BYTES = 16 * 2**20
"""Eighteen pages of five hundred guests; whole pages are kept besides."""
COMMON = 256
"""How many answers may rest on one thing before it counts as what all of a view rest on."""
END = b"}"


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
        self._measuring: list[Shelf] = []
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
        numbers = rows.numbers
        if not numbers:
            return CLOSING
        shelf = self._shelf(view, role_type, rows)
        page = self._pages.get(shelf, numbers)
        if page is None:
            made = self.of(view, role_type, rows)
            kept = shelf.has_all(numbers)
            return self._pages.keep(shelf, numbers, made) if kept else joined(made)
        if page.stale:
            stale = [numbers[place] for place in page.stale]
            self._pages.renew(page, self.of(view, role_type, Picked(rows.table, stale)))
            if not shelf.has_all(stale):
                self._pages.drop(shelf, numbers)
        return page.json

    def of(self, view: type[View], role_type: str, rows: Picked[Any]) -> list[bytes]:
        """The answer for each row, as callers of this role type see it."""
        if not rows.numbers:
            return []
        shelf = self._shelf(view, role_type, rows)
        get, look = shelf.ready.get, rows.table.look
        made = [
            get(number) or self._unpacked(shelf, number) or self._make(shelf, look(number))
            for number in rows.numbers
        ]
        if view.MEASURED is None:
            return made
        late, glance = shelf.late.get, rows.table.glance
        return [
            one + (late(number) or self._measure(shelf, glance(number), number))
            for one, number in zip(made, rows.numbers, strict=True)
        ]

    def _shelf(self, view: type[View], role_type: str, rows: Picked[Any]) -> Shelf:
        """Where answers of this view are, for these rows and all others of their kind."""
        shelf = self._shelves.get((view, role_type))
        if shelf is None:
            kind = rows.table.look(rows.numbers[0]).KIND
            shelf = self._shelves[view, role_type] = Shelf(view, role_type)
            self._of_kind.setdefault(kind, []).append(shelf)
            if view.MEASURED is not None:
                self._measuring.append(shelf)
        return shelf

    def _unpacked(self, shelf: Shelf, number: int) -> bytes | None:
        """One that is not ready but packed; None if it is not made yet."""
        json = shelf.unpack(number)
        if json is not None:
            self._make_room(shelf, number, len(json))
        return json

    def _make(self, shelf: Shelf, row: Any) -> bytes:
        """The answer for a row; of what shows measurements all but these, and not closed."""
        view = shelf.view
        is_measured = view.MEASURED is not None
        reads = Reads(self._cloud, shelf.rests, measured_apart=is_measured)
        json = msgspec.json.encode(limited(view.of(row, cast(Cloud, reads)), shelf.role_type))
        if is_measured:
            json = json.removesuffix(END)
        if reads.lasting:
            self._keep(shelf, row, json, reads.keys)
        return json

    def _measure(self, shelf: Shelf, row: Any, number: int) -> bytes:
        """What a row was measured at, and what closes its answer behind."""
        assert shelf.view.MEASURED is not None
        told = shelf.view.MEASURED(row, self._cloud)
        wire = shelf.wire
        shown = {wire[name]: value for name, value in told.items() if value is not None}
        late = b"," + msgspec.json.encode(shown)[1:] if shown else END
        if number in shelf.ready:
            shelf.late[number] = late
        return late

    def _keep(self, shelf: Shelf, row: Any, json: bytes, keys: set[Key]) -> None:
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
            few = shelf.note(key, number, COMMON)
            if few:
                self._share(shelf, key, few)

    def _share(self, shelf: Shelf, key: Key, few: Iterable[int]) -> None:
        """Several answers rest on this. If it is a row, what they show of it is noted from now on;
        what these few show is not known, so they are made again."""
        (kind, *index), value = key
        table = self._cloud.table(kind)
        if not index and value in table:
            shelf.rests[key] = Common(table, value)
            for number in few:
                self._drop(shelf, number)

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

    def measured(self, measured: Iterable[UUID]) -> None:
        """Guests and disks were measured anew, or are measured no more."""
        for shelf in self._measuring:
            for number in (one.int for one in measured):
                if number in shelf:
                    shelf.late.pop(number, None)
                    self._pages.forgot(number)

    def _drop_resting(self, pattern: Pattern, value: Any) -> None:
        for shelf in self._resting.get(pattern, ()):
            if pattern in shelf.own and isinstance(value, UUID):
                self._drop(shelf, value.int)
            resting = shelf.resting_on((pattern, value))
            if resting is None:
                self._clear(shelf)
                continue
            for number in resting:
                self._drop(shelf, number)

    def _drop(self, shelf: Shelf, number: int) -> None:
        plain, packed = shelf.drop(number)
        if plain or packed:
            self._pages.forgot(number)
        self._ready_bytes -= plain
        self._packed_bytes -= packed

    def _clear(self, shelf: Shelf) -> None:
        """Every answer of a view is made anew when it is next asked for."""
        self._ready_bytes -= sum(map(len, shelf.ready.values()))
        self._packed_bytes -= sum(map(len, shelf.packed.values()))
        shelf.clear()
        self._pages.clear(shelf)

    def forget(self) -> None:
        """Everything is made anew when it is next asked for."""
        for shelf in self._shelves.values():
            self._clear(shelf)
        self._ready.clear()
