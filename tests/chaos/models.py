"""What the cloud promises of the things that many ask for at once, each told in a few lines."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

from tests.chaos.linear import Op, Outcome

LIMIT, EXHAUSTED = "limit", "exhausted"
ANY = "any"


@dataclass(frozen=True, slots=True)
class Register:
    """A name that is written and read: a read tells what was written last.

    `write(value)`, `read()` -> value.
    """

    initial: Hashable = None

    def first(self) -> Hashable:
        return self.initial

    def after(self, state: Any, op: Op) -> Iterable[Hashable]:
        if op.what == "write":
            return (op.args[0],) if op.outcome is Outcome.OK else (state, op.args[0])
        if op.outcome is Outcome.UNKNOWN or op.result == state:
            return (state,)
        return ()


Pool = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Addresses:
    """A pool of addresses, and accounts that may have so many of them each.

    `take(account)` -> the address, which was free; or `LIMIT`, and then the account has all that
    it may have; or `EXHAUSTED`, and then none is free. `free(account, address)`.
    `had(account, address)` and `count()` -> how many: a look at the end. A state is who has what.
    """

    pool: frozenset[str]
    limits: tuple[tuple[str, int], ...] = ()

    def first(self) -> Pool:
        return frozenset()

    def after(self, state: Any, op: Op) -> Iterable[Hashable]:
        taken: Pool = state
        if op.what == "count":
            return (taken,) if len(taken) == op.result else ()
        account = str(op.args[0])
        if op.what == "had":
            return (taken,) if (str(op.args[1]), account) in taken else ()
        if op.what == "free":
            there = (str(op.args[1]), account)
            if op.outcome is Outcome.UNKNOWN:
                return (taken, taken - {there})
            return (taken - {there},) if there in taken else ()
        room = sum(who == account for _, who in taken) < dict(self.limits).get(account, 1 << 30)
        left = self.pool - {address for address, _ in taken}
        if op.outcome is Outcome.UNKNOWN:
            return (taken, *(taken | {(one, account)} for one in left if room))
        if op.result == LIMIT:
            return () if room else (taken,)
        if op.result == EXHAUSTED:
            return () if left else (taken,)
        return (taken | {(op.result, account)},) if room and op.result in left else ()


@dataclass(frozen=True, slots=True)
class Limited:
    """An account that may have so many of a thing: `add()` and `drop()`, a state is how many.

    Nothing is said of refusals: what is on its way and fails later has a place meanwhile.
    """

    most: int

    def first(self) -> int:
        return 0

    def after(self, state: Any, op: Op) -> Iterable[Hashable]:
        after = state + 1 if op.what == "add" else state - 1
        happened = (after,) if 0 <= after <= self.most else ()
        return happened if op.outcome is Outcome.OK else (state, *happened)
