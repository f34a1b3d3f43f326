"""Units on their way to the writer wait for one another while many come, so that commits are large.

A commit costs as much as a dozen units do, whatever it holds: a statement, a sync, two threads that
wake each other, one round of everybody who listens. While it runs, the next turn of the loop has
come to an end, and what was decided in it alone would be the next commit. So units are held back
for some turns, as PostgreSQL does for some microseconds (`commit_delay`, `commit_siblings`).

Turns wait for nothing: a loop that is busy makes decisions in each of them, one that is not ends
them in microseconds. A turn that brought no unit ends the waiting. It begins only once a commit
has served several, so whoever writes alone never waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

# After a commit that served so many, others are about to come.
BUSY_UNITS = 4
# For so many turns of the loop and until so many have come, the next ones wait.
TURNS, MOST_UNITS = 4, 64


class Gathering(Generic[T]):
    """Hands units on by `put`, in their order: one at a time, or many at once while many come."""

    def __init__(self, loop: asyncio.AbstractEventLoop, put: Callable[[Sequence[T]], None]) -> None:
        self._loop, self._put = loop, put
        self._held: list[T] = []
        self._seen = self._turns = 0
        self._busy = self._turning = False

    def __len__(self) -> int:
        return len(self._held)

    def add(self, unit: T) -> None:
        """Hand it on at once, or together with those that come in the next turns."""
        if not self._busy and not self._held:
            self._put((unit,))
            return
        self._held.append(unit)
        if not self._turning:
            self._turning = True
            self._loop.call_soon(self._turn)

    def served(self, count: int) -> None:
        """A commit has served so many units."""
        self._busy = count >= BUSY_UNITS

    def flush(self) -> None:
        """Hand on what is held back."""
        self._seen = self._turns = 0
        if self._held:
            held, self._held = self._held, []
            self._put(held)

    def _turn(self) -> None:
        self._turns += 1
        came, self._seen = len(self._held) - self._seen, len(self._held)
        self._turning = bool(came) and self._turns < TURNS and self._seen < MOST_UNITS
        if self._turning:
            self._loop.call_soon(self._turn)
        else:
            self.flush()
