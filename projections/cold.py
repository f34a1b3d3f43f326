"""A table of many rows, of which only those that were looked at lately are objects.

A guest's row with all that it holds is a kilobyte of objects, and most are looked at seldom. So
`rows` has bytes in place of a row that nobody has looked at for a while (see `forms`). Rows are
packed by `cool`, a few at a time, when whoever calls it has the time; nothing that happens to a row
waits for that, and a past is folded as in any other table.

The invariant: while `rows` has bytes for a number, nobody holds an object of that row. A row is one
object for as long as anybody holds it, however long that is, and goes on changing in their hands.
For that, a row is packed only when its reference count says that nobody but the table has it. In
CPython whoever can reach an object counts; and tables are used by one thread at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from functools import cached_property, partial
from sys import getrefcount
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from aggregates.base import Recorded
from projections.forms import Form, Words, created_of
from projections.index import Index
from projections.table import R, Table, TableSpec
from projections.whole import summed, whole

if TYPE_CHECKING:
    from projections.columns import Columns

WARM_MOST = 4096
"""How many rows stay objects, besides those that somebody holds."""


def packed(
    *, common: Collection[str], usual: Collection[str]
) -> Callable[[TableSpec[R]], Table[R]]:
    """Make a table so. `common` are the fields, of rows or of what they have lists of, that hold
    ids and words of other things; `usual` those that most rows have not as they are by default."""
    return lambda spec: Cold(spec, common, usual)


class _Saved(msgspec.Struct, frozen=True, array_like=True):
    """Words (bytes are an id), of each row its id and what it is packed in, and columns of all."""

    words: list[Any]
    ids: list[bytes]
    rows: list[bytes]
    columns: msgspec.Raw


class Cold(Table[R]):
    """`rows` has a row, or the bytes that it is packed in, for each number of an id."""

    rows: dict[int, Any]

    def __init__(self, spec: TableSpec[R], common: Collection[str], usual: Collection[str]) -> None:
        super().__init__(spec)
        self._common, self._usual = common, usual
        self._words = Words()
        # What a checkpoint says of rows that lie packed as they lay there, until it is indexed.
        self._columns: Columns | None = None
        # The numbers of rows that are objects, in the order in which they became so. Some are gone
        # by now, or named twice.
        self._warm: deque[int] = deque()

    @cached_property
    def _form(self) -> Form[R]:
        """Made when a row is first packed: most clouds are small, or are of a past moment."""
        return self._form_of(self._words)

    def __iter__(self) -> Iterator[R]:
        return iter(self.picked())

    def __getitem__(self, row_id: UUID) -> R:
        return self.at(row_id.int)

    def get(self, row_id: UUID | None) -> R | None:
        if row_id is None:
            return None
        found: R | bytes | None = self.rows.get(row_id.int)
        return self.at(row_id.int) if type(found) is bytes else found  # type: ignore[return-value]

    def at(self, number: int) -> R:
        found: R | bytes = self.rows[number]
        if type(found) is not bytes:
            return found  # type: ignore[return-value]
        row = self.rows[number] = self._form.unpack(found, number)
        self._warm.append(number)
        return row

    def look(self, number: int) -> R:
        found: R | bytes = self.rows[number]
        if type(found) is not bytes:
            return found  # type: ignore[return-value]
        return self._form.unpack(found, number)

    def glance(self, number: int) -> Any:
        found = self.rows[number]
        return self._form.glance(found, number) if type(found) is bytes else found

    def created_at_ms(self, number: int) -> int:
        return _created_in(self.rows, number)

    def _created(self) -> Callable[[int], int]:
        return partial(_created_in, self.rows)

    def fold(self, recorded: Recorded) -> None:
        super().fold(recorded)
        if recorded.event.CREATES is not None:
            self._warm.append(recorded.stream.int)

    def saved(self) -> bytes:
        """Every row as it is packed, and the indexes, for a checkpoint."""
        form, words, rows = self._form, self._words, self.rows
        if words.is_full:  # of what is long gone, maybe: those that are named now find room
            words = Words()
            form = self._form_of(words)
            rows = {number: self.look(number) for number in rows}
        packed = [row if type(row) is bytes else form.pack(row) for row in rows.values()]
        columns = self._no_columns()
        columns.have(dict(zip(rows, map(created_of, packed), strict=True)), self._index)
        ids = [number.to_bytes(16, "big") for number in rows]
        told = msgspec.msgpack.encode(
            _Saved(words.saved(), ids, packed, msgspec.Raw(columns.saved()))
        )
        return summed(told)

    def restore(self, encoded: bytes) -> None:
        """Take over what was saved; no row is made. ValidationError for what is damaged."""
        saved = msgspec.msgpack.decode(whole(encoded), type=_Saved)
        numbers = list(map(int.from_bytes, saved.ids))
        self._words.take(saved.words)
        self.rows = dict(zip(numbers, saved.rows, strict=True))
        self._columns = self._no_columns()
        self._columns.take(saved.columns, numbers)
        self._empty()
        if not self._is_deferred:
            self._index_all()

    def _index_all(self) -> None:
        """A row that is packed is as it was in the checkpoint, so its columns say all of it."""
        columns, self._columns = self._columns or self._no_columns(), None
        columns.follow(self.rows)
        created = self._created()
        self._index = {
            name: self.spec.index(name, created, columns.entries(name))
            for name in self.spec.indexed
        }
        self._text = {name: Index(created, columns.folded(name)) for name in self.spec.folded}
        self._warm = deque(number for number, row in self.rows.items() if type(row) is not bytes)

    def _no_columns(self) -> Columns:
        from projections.columns import Columns  # it needs numpy, and tools that begin do not

        return Columns(self.spec)

    def _form_of(self, words: Words) -> Form[R]:
        return Form(self.spec.row, self._common, self._usual, words)

    def cool(self, most: int) -> int:
        """Pack rows that became objects long ago, if nobody has them; `most` are tried.

        It answers with how many were packed: 0 once there is nothing to be done.
        """
        warm, rows, count = self._warm, self.rows, 0
        for _ in range(min(most, len(warm) - WARM_MOST)):
            number = warm.popleft()
            row = rows.get(number)
            if row is None or type(row) is bytes:
                continue
            if getrefcount(row) > ALONE:
                warm.append(number)
                continue
            rows[number] = self._form.pack(row)
            count += 1
        return count


def _created_in(rows: dict[int, Any], number: int) -> int:
    found = rows[number]
    at_ms: int = created_of(found) if type(found) is bytes else found.created_at_ms
    return at_ms


def _alone() -> int:
    """The reference count of what one dict and one variable have, as it is counted here."""
    rows = {0: object()}
    row = rows.get(0)
    return getrefcount(row)


ALONE = _alone()
