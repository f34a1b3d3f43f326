"""What all books of promises are: promises by their keys, packed, and the sum of them.

A book follows the log, and what is saved of it holds only what the log holds. A long past is folded
a shorter way: only promises and versions are kept right, and what is their sum is made at its end.

Most promises of a long past are over before it is. So the latest ones lie in a dict by the texts of
their keys, as the events of a past have them (`Event.TEXT_IDS`), and only what is left is packed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID
from weakref import WeakMethod

from aggregates.base import Event, Recorded
from aggregates.ids import id_numbered
from projections.packed import Packed
from projections.pending import Pendings

H = TypeVar("H", bound=Event)
LATELY_KEPT = 1 << 16
"""So many promises of a past are not packed; of more, the older half is."""


class Holds(Mapping[int, H]):
    """Promises by the numbers of their keys. Each is made of its record whenever it is read.

    They belong to the book that makes them, and do not keep it: no cycle is to hold a past cloud.
    """

    def __init__(self, packed: Packed, made: Callable[..., H]) -> None:
        self._packed, self._made = packed, WeakMethod(made)

    def __getitem__(self, key: int) -> H:
        found = self._packed.get(key)
        if found is None:
            raise KeyError(key)
        return self._make(key, found)

    def get(self, key: int, default: Any = None) -> Any:
        found = self._packed.get(key)
        return default if found is None else self._make(key, found)

    def _make(self, key: int, found: tuple[Any, ...]) -> H:
        made = self._made()
        assert made is not None, "the book is gone"
        return made(id_numbered(key), *found)

    def __contains__(self, key: object) -> bool:
        return key in self._packed

    def __iter__(self) -> Iterator[int]:
        return (int.from_bytes(key, "big") for key, *_ in self._packed)

    def __len__(self) -> int:
        return self._packed.count

    def isdisjoint(self, keys: Iterable[int]) -> bool:
        """Whether nothing is promised under any of these keys."""
        return self._packed.isdisjoint(keys)


class Promises(Generic[H]):
    """Promises of one kind. A key can be held once: should the log ever hold it twice, the first
    is what counts."""

    HELD: ClassVar[type[Event]]
    FREED: ClassVar[type[Event]]
    FIELDS: ClassVar[Mapping[str, str]]
    """What a record of a promise has beside its key, as `Packed` wants it said."""

    def __init__(self) -> None:
        self._packed = Packed(**self.FIELDS)
        self.holds: Holds[H] = Holds(self._packed, self._promise_of)
        self.pendings = Pendings()
        self._is_deferred = False
        # The fields of each as they are packed, but that the first is an id, or its text.
        self._lately: dict[str, tuple[Any, ...]] = {}
        # What the ids of hosts, pools or spaces stand for, as the events of a past name them.
        self._named: dict[UUID | str, Any] = {}

    def fold(self, recorded: Recorded) -> None:
        raise NotImplementedError

    def defer(self) -> None:
        """From here on, until `settle`, a past is folded, and nobody asks for sums."""
        self._is_deferred = True

    def past(self, kind: type[Event]) -> Callable[[Recorded], None]:
        return {self.HELD: self._hold_past, self.FREED: self._free_past}.get(kind, self.fold)

    def tidy(self) -> None:
        """A record shares nothing with others; of the late ones no more are kept than is said."""
        if len(self._lately) > LATELY_KEPT:
            self._pack(LATELY_KEPT // 2)

    def settle(self) -> None:
        """Make what follows from the promises."""
        self._is_deferred = False
        self._pack(0)
        self._named.clear()
        self._sum_up()

    def _pack(self, kept: int) -> None:
        """Pack the late promises but for the latest ones."""
        packed, lately = self._packed, self._lately
        records = list[tuple[Any, ...]]()
        for key in list(islice(lately, len(lately) - kept)):
            first, *more = lately.pop(key)
            records.append((_raw(key), _raw(first), *more))
        if packed.count < len(records):
            packed.fill(chain(packed, records))
        else:  # to lay out all that there is, again and again, would be dearer
            for key, *fields in records:
                packed.put(int.from_bytes(key, "big"), *fields)

    def _keep_late(self, hold: UUID | str, *fields: Any) -> bool:
        """Keep a promise of a past; False if its key holds something."""
        key = hold if type(hold) is str else str(hold)
        if key in self._lately or (self._packed.count and _number(key) in self._packed):
            return False
        self._lately[key] = fields
        return True

    def _kept(self, hold: UUID | str) -> tuple[Any, ...] | None:
        """The fields of a promise, while a past is folded."""
        found = self._lately.get(hold if type(hold) is str else str(hold))
        return self._packed.get(_number(str(hold))) if found is None else found

    def _drop(self, hold: UUID | str) -> None:
        """Forget a promise that is kept, while a past is folded."""
        key = hold if type(hold) is str else str(hold)
        if self._lately.pop(key, None) is None:
            self._packed.remove(_number(key))

    def _promise_of(self, hold: UUID, *fields: Any) -> H:
        """The promise that a record tells of."""
        raise NotImplementedError

    def _hold_past(self, recorded: Recorded) -> None:
        raise NotImplementedError

    def _free_past(self, recorded: Recorded) -> None:
        raise NotImplementedError

    def _sum_up(self) -> None:
        """Take all promises from what there is, which is whole until now."""

    def _begin_anew(self) -> None:
        """Empty, before a checkpoint is taken over."""
        deferred = self._is_deferred
        self.__init__()  # type: ignore[misc]
        self._is_deferred = deferred

    def _take_over(self, saved: bytes) -> None:
        """The promises of a checkpoint, once what they are taken from is there."""
        self._packed.take(saved)
        if not self._is_deferred:
            self.settle()


def as_id(named: UUID | str) -> UUID:
    """An id that a past may have left a text."""
    return named if isinstance(named, UUID) else UUID(named)


def _raw(named: UUID | str) -> bytes:
    if not isinstance(named, str):
        return named.bytes
    raw = bytes.fromhex(named.replace("-", ""))
    if len(raw) != 16:
        raise ValueError(f"{named!r} is no id")
    return raw


def _number(key: str) -> int:
    return int(key.replace("-", ""), 16)
