"""Lends the interpreter to the log's threads when the event loop would keep it for itself.

A thread that waits for the interpreter demands it after the switch interval (5 ms), but waits anew
whenever its holder gave it away and took it back meanwhile. A loop that never rests does that at
each look at its sockets, and then wins the race for it nearly every time: a commit of 100 rows
took seconds. A shorter interval only moves that point, and makes the two threads fight over every
microsecond. So the loop rests: briefly, and only once a thread has not got anything done for long.
Where many write, somebody's unit is always under way, but each commit is a sign of life.

A loop that slept by itself since its last rest gave the interpreter away for longer than a rest
does. A thread that works all the same waits for its disk, or for another controller's turn: then
rests are few, since each costs more than it lends.
"""

from __future__ import annotations

import asyncio
import time
from resource import RUSAGE_THREAD, getrusage

PATIENCE_S = 0.005
PAUSE_S, PAUSE_IDLE_S = 0.001, 0.005
REST_S = 0.0002


class Lender:
    """Between `begin` and `end` a thread works; past its patience, the loop rests now and then."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._working = 0
        self._slept = 0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        self._working += 1
        if self._timer is None:
            self._slept = _times_slept()
            self._timer = self._loop.call_later(PATIENCE_S, self._rest)

    def alive(self) -> None:
        """A thread has just done a whole piece of its work: none waits for long."""
        if self._timer is not None:
            self._timer.cancel()
            self._slept = _times_slept()
            self._timer = self._loop.call_later(PATIENCE_S, self._rest)

    def end(self) -> None:
        self._working -= 1
        if not self._working and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def lending(self) -> bool:
        """Is a thread at work, so that the loop will rest for it?"""
        return self._timer is not None

    def _rest(self) -> None:
        pause_s = PAUSE_S if _times_slept() == self._slept else PAUSE_IDLE_S
        time.sleep(REST_S)
        self._slept = _times_slept()
        self._timer = self._loop.call_later(pause_s, self._rest)


def _times_slept() -> int:
    """How often this thread has waited for something, and somebody else could go on."""
    return getrusage(RUSAGE_THREAD).ru_nvcsw
