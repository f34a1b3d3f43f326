"""What folds share that follow from rows, as these are, and from no event.

While a past is folded behind a checkpoint they only note whose rows changed. Without a checkpoint
they note nothing: all of it is made of the rows that there are in the end.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from aggregates.base import Event, Recorded


class OfRows:
    """`_noted` has the kind of each row that changed since the checkpoint, by its id."""

    def __init__(self) -> None:
        self._noted: dict[UUID, str] | None = None

    def defer(self) -> None:
        """Begin anew, unless a checkpoint comes."""
        self._noted = None

    def past(self, kind: type[Event]) -> Callable[[Recorded], None] | None:
        """What notes an event, if there is anything that it could change."""
        return None if self._noted is None else self._note

    def tidy(self) -> None:
        """Nothing here is shared."""

    def settle(self) -> None:
        noted, self._noted = self._noted, None
        if noted is None:
            self._derive()
            return
        for row_id, kind in noted.items():
            self._follow(row_id, kind)

    def _note(self, recorded: Recorded) -> None:
        if self._noted is not None:
            self._noted[recorded.stream] = recorded.event.KIND

    def _derive(self) -> None:
        """Be what follows from all rows."""
        raise NotImplementedError

    def _follow(self, row_id: UUID, kind: str) -> None:
        """Be what follows from the row of this kind as it is now, or is no more."""
        raise NotImplementedError
