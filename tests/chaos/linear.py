"""Whether what many clients saw could have been seen by one after the other.

The search of Wing and Gong, with Lowe's memory of what was tried: find an order of the operations
that respects time (what had ended before another began comes first) and that a small model of the
thing itself allows. An operation whose outcome is not known may have happened at any moment from
its beginning on, or never.

A model may not know either what the thing was up to, so a state is a set of possible ones; an
order is allowed while one of them is left.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Any, Protocol

STEPS_MAX = 2_000_000


class Outcome(StrEnum):
    OK = "ok"
    FAILED = "failed"  # It surely did not happen.
    UNKNOWN = "unknown"  # It happened, or happens yet, or never will.


@dataclass(slots=True)
class Op:
    """One call of one client. `result` is what it was told; times are of one clock, in seconds.

    `key` tells what was asked apart from everything else, for whoever asks later what became of it.
    """

    what: str
    args: tuple[Hashable, ...]
    began_s: float
    ended_s: float = inf
    outcome: Outcome = Outcome.UNKNOWN
    result: Any = None
    who: str = ""
    key: str = ""

    @property
    def end_s(self) -> float:
        """When it must have happened at the latest."""
        return self.ended_s if self.outcome is not Outcome.UNKNOWN else inf

    def __str__(self) -> str:
        until = "?" if self.end_s == inf else f"{self.end_s:.3f}"
        said = self.outcome if self.result is None else f"{self.outcome} {self.result}"
        return f"[{self.began_s:.3f} .. {until}] {self.who} {self.what}{self.args}: {said}"


class Model(Protocol):
    """What one thing does, told by itself."""

    def first(self) -> Hashable:
        """Its state before anybody has done anything."""

    def after(self, state: Any, op: Op) -> Iterable[Hashable]:
        """Every state that `op` may lead to with what it was told; none if it cannot be."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`is_linear` None: the search was given up. `stuck` are the operations that fit nowhere
    behind the longest order that was found."""

    is_linear: bool | None
    operations: int
    steps: int
    longest: tuple[Op, ...] = ()
    stuck: tuple[Op, ...] = ()

    def __str__(self) -> str:
        if self.is_linear:
            return f"linearisable: {self.operations} operations in {self.steps} steps"
        if self.is_linear is None:
            return f"not decided: {self.operations} operations in {self.steps} steps"
        lines = [f"NOT linearisable: after {len(self.longest)} of {self.operations} operations"]
        lines += [f"   fits last: {op}" for op in self.longest[-6:]]
        lines += [f"   fits not:  {op}" for op in self.stuck[:6]]
        return "\n".join(lines)


@dataclass(slots=True)
class _Entry:
    """The beginning or the end of an operation, in a list that parts of are taken out of."""

    number: int
    is_end: bool
    match: _Entry | None = None
    before: _Entry | None = None
    next: _Entry | None = None


@dataclass(slots=True)
class _Search:
    model: Model
    ops: Sequence[Op]
    head: _Entry = field(default_factory=lambda: _Entry(-1, False))
    seen: set[tuple[int, frozenset[Hashable]]] = field(default_factory=set)

    def link(self) -> None:
        """All beginnings and ends by time; of those at one moment, beginnings come first."""
        moments = []
        for number, op in enumerate(self.ops):
            begin, end = _Entry(number, False), _Entry(number, True)
            begin.match = end
            moments += [(op.began_s, False, begin), (op.end_s, True, end)]
        moments.sort(key=lambda moment: moment[:2])
        last = self.head
        for _, _, entry in moments:
            last.next, entry.before = entry, last
            last = entry

    def run(self) -> Verdict:
        self.link()
        states = frozenset((self.model.first(),))
        done, path = 0, list[tuple[_Entry, frozenset[Hashable]]]()
        longest: tuple[Op, ...] = ()
        stuck: tuple[Op, ...] = ()
        entry, steps, count = self.head.next, 0, len(self.ops)
        while entry is not None:
            steps += 1
            if steps > STEPS_MAX:
                return Verdict(None, count, steps, longest, stuck)
            if not entry.is_end:
                op = self.ops[entry.number]
                after = frozenset(s for state in states for s in self.model.after(state, op))
                tried = (done | 1 << entry.number, after)
                if after and tried not in self.seen:
                    self.seen.add(tried)
                    path.append((entry, states))
                    done, states = tried
                    _take_out(entry)
                    if len(path) > len(longest):
                        longest = tuple(self.ops[one.number] for one, _ in path)
                        stuck = ()
                    entry = self.head.next
                else:
                    entry = entry.next
                continue
            if not stuck and len(path) == len(longest):
                stuck = tuple(self._open(entry))
            if self.ops[entry.number].end_s == inf and all(
                self.ops[n].end_s == inf for n in range(count) if not done >> n & 1
            ):
                return Verdict(True, count, steps)  # what is left never has to happen
            if not path:
                return Verdict(False, count, steps, longest, stuck)
            last, states = path.pop()
            done &= ~(1 << last.number)
            _put_back(last)
            entry = last.next
        return Verdict(True, count, steps)

    def _open(self, until: _Entry) -> Iterator[Op]:
        """What had begun, and fits nowhere, when the operation that ends at `until` had to."""
        entry = self.head.next
        while entry is not None and entry is not until:
            if not entry.is_end:
                yield self.ops[entry.number]
            entry = entry.next


def _take_out(entry: _Entry) -> None:
    """Out of the list, with its end."""
    for one in (entry, entry.match):
        assert one is not None and one.before is not None
        one.before.next = one.next
        if one.next is not None:
            one.next.before = one.before


def _put_back(entry: _Entry) -> None:
    """Just where it was: the last one that was taken out is put back first."""
    for one in (entry.match, entry):
        assert one is not None and one.before is not None
        one.before.next = one
        if one.next is not None:
            one.next.before = one


def check(model: Model, history: Iterable[Op]) -> Verdict:
    """Whether the model allows the history. What surely did not happen is left out."""
    ops = sorted(
        (op for op in history if op.outcome is not Outcome.FAILED), key=lambda op: op.began_s
    )
    return _Search(model, ops).run()
