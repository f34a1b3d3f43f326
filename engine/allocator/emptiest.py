"""The emptiest host with room for guests of one size, by an order that all sizes have in common.

The emptiest host of all has room for nearly every guest, and where it has, it is the answer: none
is emptier. So guests of all sizes ask one order first, that of a guest of no size: it looks at a
host that moved once, and not once a size. Where that host is too full, the size has an own order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from engine.allocator.ranked import Ranked
from projections.capacity_columns import HostColumns

if TYPE_CHECKING:
    from engine.allocator.shapes import Shape

EMPTIEST_FIRST = -1


class AnySize:
    """The order of all hosts of a shape that asks for neither cores nor speed."""

    __slots__ = ("_begun", "_order", "_shape")

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._begin()

    def find(self, hosts: HostColumns, barred: Collection[int]) -> int | None:
        """The emptiest slot of the shape that is not barred, or None if all are."""
        self._shape.follow(hosts)
        if self._shape.begun is not self._begun:
            self._begin()
        return self._order.find(hosts, barred)

    def _begin(self) -> None:
        self._begun = self._shape.begun
        self._order = Ranked(self._shape, 0, 0, EMPTIEST_FIRST)


class Emptiest:
    """Follows the slots of one shape for one size; `of_all` are those of all sizes."""

    __slots__ = ("_mhz", "_mib", "_of_all", "_own", "_shape")

    def __init__(self, shape: Shape, mhz: int, mib: int, of_all: AnySize) -> None:
        self._shape, self._mhz, self._mib, self._of_all = shape, mhz, mib, of_all
        self._own = Ranked(shape, mhz, mib, EMPTIEST_FIRST)

    def find(self, hosts: HostColumns, barred: Collection[int] = ()) -> int | None:
        """The emptiest slot of the shape with room that is not barred, or None."""
        slot = self._of_all.find(hosts, barred)
        if slot is None or (
            hosts.mib[slot] >= self._mib
            and hosts.mhz[slot] >= self._mhz
            and self._shape.flags[slot]
        ):
            return slot
        return self._own.find(hosts, barred)

    def each(self, hosts: HostColumns, barred: Collection[int] = ()) -> Iterator[int]:
        """What `find` answers, again and again."""
        while (found := self.find(hosts, barred)) is not None:
            yield found
