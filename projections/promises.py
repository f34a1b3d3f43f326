"""What all books of promises are: promises by their keys and holders, and the sum of them.

A book follows the log, and what is saved of it holds only what the log holds. A long past is folded
a shorter way: only promises and versions are kept right, and what is their sum is made at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

import msgspec

from aggregates.base import Event, Recorded
from projections.batches import in_batches, of_batches
from projections.holders import Holders
from projections.pending import Pendings
from projections.shared import Unshared, share, shared

H = TypeVar("H", bound=Event)


class Promises(Generic[H]):
    """Promises of one kind, by the numbers of their keys: those are hashed for less than ids.

    A key can be held once. Should the log ever hold it twice, the first is what counts.
    """

    HELD: ClassVar[type[Event]]
    FREED: ClassVar[type[Event]]
    HOLDER: ClassVar[attrgetter[UUID]]
    """Whom a promise is made to."""

    def __init__(self) -> None:
        self.holds: dict[int, H] = {}
        self.pendings = Pendings()
        self._by_holder = Holders()
        self._unshared = Unshared()
        self._is_deferred = False

    def fold(self, recorded: Recorded) -> None:
        raise NotImplementedError

    def defer(self) -> None:
        """From here on, until `settle`, a past is folded, and nobody asks for sums and holders."""
        self._is_deferred = True

    def past(self, kind: type[Event]) -> Callable[[Recorded], None]:
        return {self.HELD: self._hold_past, self.FREED: self._free_past}.get(kind, self.fold)

    def tidy(self) -> None:
        self._unshared.share(self.holds)

    def settle(self) -> None:
        """Make what follows from the promises."""
        self._unshared.share(self.holds, at_least=0)
        self._is_deferred = False
        holder_of = self.HOLDER
        for held in self.holds.values():
            self._by_holder.add(holder_of(held), held.hold)  # type: ignore[attr-defined]
        self._sum_up()

    def _hold_past(self, recorded: Recorded) -> None:
        raise NotImplementedError

    def _free_past(self, recorded: Recorded) -> None:
        raise NotImplementedError

    def _sum_up(self) -> None:
        """Take all promises from what there is, which is whole until now."""

    def _keep_past(self, held: Any) -> bool:
        """Keep a promise of the past; False if its key holds something."""
        number = shared(held.hold).int
        if number in self.holds:
            return False
        self.holds[number] = held
        self._unshared.numbers.add(number)
        return True

    def _begin_anew(self) -> None:
        """Empty, before a checkpoint is taken over."""
        deferred = self._is_deferred
        self.__init__()  # type: ignore[misc]
        self._is_deferred = deferred

    def _take_over(self, batches: Iterable[msgspec.Raw]) -> None:
        """The promises of a checkpoint, once what they are taken from is there."""
        form: type[H] = self.HELD  # type: ignore[assignment]
        for held in of_batches(batches, form):
            self.holds[held.hold.int] = held  # type: ignore[attr-defined]
        if not self._is_deferred:
            self.settle()

    def _batches(self) -> list[msgspec.Raw]:
        """The promises, for a checkpoint."""
        return in_batches(self.holds.values())

    def _list(self, held: Any) -> None:
        share(held)
        self.holds[held.hold.int] = held
        self._by_holder.add(self.HOLDER(held), held.hold)

    def _unlist(self, held: Any) -> None:
        del self.holds[held.hold.int]
        if not self._is_deferred:
            self._by_holder.remove(self.HOLDER(held), held.hold)
