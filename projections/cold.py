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
from functools import cached_property
from sys import getrefcount
from typing import Any
from uuid import UUID

from aggregates.base import Recorded
from projections.forms import Form, created_of
from projections.table import R, Table, TableSpec

WARM_MOST = 4096
"""How many rows stay objects, besides those that somebody holds."""


def packed(
    *, common: Collection[str], usual: Collection[str]
) -> Callable[[TableSpec[R]], Table[R]]:
    """Make a table so. `common` are the fields, of rows or of what they have lists of, that hold
    ids and words of other things; `usual` those that most rows have not as they are by default."""
    return lambda spec: Cold(spec, common, usual)


class Cold(Table[R]):
    """`rows` has a row, or the bytes that it is packed in, for each number of an id."""

    rows: dict[int, Any]

    def __init__(self, spec: TableSpec[R], common: Collection[str], usual: Collection[str]) -> None:
        super().__init__(spec)
        self._common, self._usual = common, usual
        # The numbers of rows that are objects, in the order in which they became so. Some are gone
        # by now, or named twice.
        self._warm: deque[int] = deque()

    @cached_property
    def _form(self) -> Form[R]:
        """Made when a row is first packed: most clouds are small, or are of a past moment."""
        return Form(self.spec.row, self._common, self._usual)

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
        found = self.rows[number]
        at_ms: int = created_of(found) if type(found) is bytes else found.created_at_ms
        return at_ms

    def settle(self) -> None:
        super().settle()
        self._all_warm()

    def fold(self, recorded: Recorded) -> None:
        super().fold(recorded)
        if recorded.event.CREATES is not None:
            self._warm.append(recorded.stream.int)

    def restore(self, encoded: bytes) -> None:
        super().restore(encoded)
        self._all_warm()

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

    def _all_warm(self) -> None:
        self._warm = deque(self.rows)


def _alone() -> int:
    """The reference count of what one dict and one variable have, as it is counted here."""
    rows = {0: object()}
    row = rows.get(0)
    return getrefcount(row)


ALONE = _alone()
