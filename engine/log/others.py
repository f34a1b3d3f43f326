"""What other controllers took of ledgers, so that who leaves room for it need not decide again.

A ledger (the room on a host, the space in a pool) is a sum: two promises may come in either order
as long as both fit. So an append to it may say how much others may take meanwhile (its slack). What
they took behind the position at which it was decided is known at the moment of the commit, exactly:
within the slack it is let in behind theirs, else it is refused and decided again.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from functools import cache
from uuid import UUID

from aggregates.base import EVENTS, Event, Recorded
from engine.log.unit import Append

KEPT = 65_536


@cache
def _ledgers() -> frozenset[str]:
    """The kinds of stream on which something can be taken."""
    return frozenset(one.KIND for one in EVENTS.values() if one.takes is not Event.takes)


class Others:
    def __init__(self) -> None:
        self._taken: defaultdict[UUID, deque[tuple[int, tuple[int, ...] | None]]]
        self._taken = defaultdict(deque)
        self._order: deque[UUID] = deque()
        self._floor = 0

    def note(self, recorded: Sequence[Recorded]) -> None:
        """Others wrote these."""
        kinds = _ledgers()
        for one in recorded:
            if one.event.KIND in kinds:
                self._taken[one.stream].append((one.position, one.event.takes()))
                self._order.append(one.stream)
        while len(self._order) > KEPT:
            stream = self._order.popleft()
            self._floor, _ = self._taken[stream].popleft()
            if not self._taken[stream]:
                del self._taken[stream]

    def leave_room(self, append: Append, decided_at: int) -> bool:
        """Whether all that others took since fits into the append's slack."""
        if append.slack is None or decided_at < self._floor:
            return False
        left = list(append.slack)
        for position, takes in reversed(self._taken.get(append.stream, ())):
            if position <= decided_at:
                break
            if takes is None:
                return False
            for number, amount in enumerate(takes[: len(left)]):
                left[number] -= amount
        return all(one >= 0 for one in left)
