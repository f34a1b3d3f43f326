"""Whether a register that is read and written by many was one, decided in one sorted pass.

Each value is written once at most, so every read names its write. Then the test of Gibbons and
Korach (Testing Shared Memories, 1997) needs no search: a value with its reads is a zone of time,
between the first end and the last beginning of its operations. Where the first end comes first,
the value must have been there all through the zone: no two such zones may overlap, and no other
value can have come and gone within one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from math import inf

from tests.chaos.linear import Op, Outcome, Verdict


@dataclass(frozen=True, slots=True)
class _Zone:
    """`low_s` to `high_s`: the value was there all the time (`held`), or at one moment at least."""

    low_s: float
    high_s: float
    held: bool
    ops: tuple[Op, ...]

    def meets(self, other: _Zone) -> bool:
        """Both had to be there at one moment; `self` is held."""
        if other.held:
            return self.low_s < other.high_s and other.low_s < self.high_s
        return self.low_s < other.low_s and other.high_s < self.high_s


def check_register(history: Iterable[Op], initial: Hashable) -> Verdict:
    """Whether reads of what was written once, or of `initial`, could be one after the other."""
    values: dict[Hashable, list[Op]] = defaultdict(list)
    values[initial].append(Op("write", (initial,), -inf, -inf, Outcome.OK))
    reads = []
    for op in history:
        if op.what == "write" and op.outcome is not Outcome.FAILED:
            assert not values[op.args[0]], f"{op.args[0]!r} is written twice"
            values[op.args[0]].append(op)
        elif op.what == "read" and op.outcome is Outcome.OK:
            reads.append(op)
    for op in reads:
        written = values.get(op.result)
        if not written or op.ended_s < written[0].began_s:
            return Verdict(False, len(reads), 0, (), (op,))
        written.append(op)
    zones = sorted(map(_zone, filter(_happened, values.values())), key=lambda zone: zone.low_s)
    count = sum(len(zone.ops) for zone in zones)
    last: _Zone | None = None  # the held zone that reaches furthest
    for zone in zones:
        if last is not None and last.meets(zone):
            return Verdict(False, count, len(zones), last.ops, zone.ops)
        if zone.held and (last is None or zone.high_s > last.high_s):
            last = zone
    return Verdict(True, count, len(zones))


def _happened(ops: list[Op]) -> bool:
    """A write of which nobody knows, and that nobody saw, need not have happened."""
    return len(ops) > 1 or ops[0].outcome is Outcome.OK


def _zone(ops: list[Op]) -> _Zone:
    first_end_s = min(op.end_s for op in ops)
    last_begin_s = max(op.began_s for op in ops)
    low_s, high_s = sorted((first_end_s, last_begin_s))
    return _Zone(low_s, high_s, first_end_s < last_begin_s, tuple(ops))
