"""The last rows that this process wrote or read, as the store has them: who follows need not ask.

Sealers and relays want each row moments after it was committed. To read it from the store again
costs about as much as to write it, and as many waits for the interpreter as there are rows.

What came from elsewhere than the store (a copy in Kafka) is no proof of what lies there: the rows
that are kept begin anew behind it.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.log.unit import Stored

KEPT, CUT = 4_096, 1_024


class Recent:
    """Rows at positions without a hole, up to the last that was told."""

    def __init__(self) -> None:
        self._rows: list[Stored] = []

    def add(self, rows: Sequence[Stored]) -> None:
        """Rows of one commit or of one read, in log order."""
        if self._rows and rows and rows[0].position != self._rows[-1].position + 1:
            self._rows.clear()
        self._rows += rows
        if len(self._rows) >= KEPT + CUT:
            del self._rows[:-KEPT]

    def behind(self, after: int, until: int | None, limit: int) -> Sequence[Stored]:
        """The rows that come right behind a position; none where the store has to be asked."""
        first = self._rows[0].position if self._rows else after + 2
        start = after + 1 - first
        if start < 0:
            return ()
        found = self._rows[start : start + limit]
        # A log of before may have holes: then places are no positions.
        if not found or found[-1].position != after + len(found):
            return ()
        return found if until is None else found[: max(0, until - after)]
