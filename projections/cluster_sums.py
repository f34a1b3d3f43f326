"""How much the clusters offer and have promised, and up to where they take new guests.

Columns by the number of a cluster, in arrays of Python's: every decision changes two numbers here
and reads a few, and once in a while numpy looks at all of them. No view of one is ever kept, since
an array that somebody views cannot grow.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

# What a cluster without a bound takes: more than any has.
NO_BOUND = 1 << 62
# What one takes that is closed: less than nothing.
CLOSED = -1


class Bounds:
    """Up to what the clusters of a zone may be promised with a new guest.

    As long as they are the same, so is the object: whoever keeps something derived from them
    compares by `is`. They are about the clusters that there were when they were made.
    """

    __slots__ = ("most_mhz", "most_mib", "regrouped", "why")

    def __init__(
        self, why: Hashable, most_mhz: array[int], most_mib: array[int], regrouped: int = 0
    ) -> None:
        self.why, self.most_mhz, self.most_mib = why, most_mhz, most_mib
        self.regrouped = regrouped

    def is_open(self, sums: Sums, place: int, mhz: int, mib: int) -> bool:
        """Whether a cluster takes a guest of this size."""
        return (
            sums.used_mib[place] + mib <= self.most_mib[place]
            and sums.used_mhz[place] + mhz <= self.most_mhz[place]
        )

    def open_mask(self, sums: Sums, mhz: int, mib: int) -> NDArray[np.bool_]:
        """For every cluster, whether it takes a guest of this size."""
        is_open: NDArray[np.bool_] = _ints(sums.used_mhz) + mhz <= _ints(self.most_mhz)
        is_open &= _ints(sums.used_mib) + mib <= _ints(self.most_mib)
        return is_open

    def is_as(self, other: Bounds) -> bool:
        return (self.regrouped, self.most_mhz, self.most_mib) == (
            other.regrouped,
            other.most_mhz,
            other.most_mib,
        )


class Sums:
    """What the hosts of each cluster offer and have promised, by the number of the cluster.

    `mark` is another one whenever what they offer may be, and `regrouped` when a host has left its
    cluster: promises that left with it left no trace on the trails of that cluster's hosts.
    `bounds` are those of each zone, kept from one request to the next.
    """

    __slots__ = (
        "bounds",
        "mark",
        "offered_mhz",
        "offered_mib",
        "regrouped",
        "used_mhz",
        "used_mib",
    )

    def __init__(self) -> None:
        self.offered_mhz, self.offered_mib = array("q"), array("q")
        self.used_mhz, self.used_mib = array("q"), array("q")
        self.mark = self.regrouped = 0
        self.bounds: dict[UUID, Bounds] = {}

    def count(self, place: int, offered: tuple[int, int], used: tuple[int, int], sign: int) -> None:
        """Add a host to its cluster, or take it away."""
        self.mark += 1
        more = [0] * (place + 1 - len(self.used_mhz))
        for column, amount in (
            (self.offered_mhz, offered[0]),
            (self.offered_mib, offered[1]),
            (self.used_mhz, used[0]),
            (self.used_mib, used[1]),
        ):
            column.extend(more)
            column[place] += sign * amount


def bounded(share: NDArray[np.float64], offered: array[int]) -> array[int]:
    """The most that may be promised of what is offered; where nothing is offered nothing is full.

    Whole numbers: `used > share * offered` is what `used > floor(share * offered)` is.
    """
    amounts = _ints(offered)
    is_bound = (amounts > 0) & np.isfinite(share)
    most = np.full(len(amounts), NO_BOUND)
    most[is_bound] = np.floor(share[is_bound] * amounts[is_bound])
    return array("q", most.tobytes())


def _ints(column: array[int]) -> NDArray[np.int64]:
    return np.frombuffer(column, np.int64) if column else np.zeros(0, np.int64)
