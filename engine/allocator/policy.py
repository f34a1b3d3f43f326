"""Which of the hosts with room gets the guest: small pure functions over columns.

A policy sees the slots that fit, in order, and answers with an index into them. `first_fit` is
known to the search, which then stops at the first slot instead of collecting all of them; so are
`pack` and `spread`, by `RANKS`, and `AtRandom`, which draws slots until one fits.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np

from projections.capacity_columns import HostColumns, Ints

Policy = Callable[[HostColumns, Ints], int]


def first_fit(hosts: HostColumns, slots: Ints) -> int:
    """The host that was added first. Cheapest, and fills hosts one after the other."""
    return 0


def pack(hosts: HostColumns, slots: Ints) -> int:
    """The fullest host (best fit): leaves whole hosts empty for large guests or for the night."""
    return int(np.argmin(hosts.shares(slots)))


def spread(hosts: HostColumns, slots: Ints) -> int:
    """The emptiest host (worst fit): a host that dies takes the fewest guests with it."""
    return int(np.argmax(hosts.shares(slots)))


# Policies that go by how empty hosts are: 1 has the fullest first, -1 the emptiest.
RANKS: dict[Policy, int] = {pack: 1, spread: -1}


class AtRandom:
    """Any host, by the given source of chance: controllers that decide at once seldom collide."""

    __slots__ = ("rng",)

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def __call__(self, hosts: HostColumns, slots: Ints) -> int:
        return self.rng.randrange(len(slots))


def at_random(rng: random.Random) -> Policy:
    """A policy of its own for each source of chance."""
    return AtRandom(rng)
