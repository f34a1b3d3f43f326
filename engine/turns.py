"""Shares the event loop: a few decisions in each of its turns, so that nobody waits long.

A decision holds the loop for half a millisecond. Five hundred requests that arrive together would
be five hundred decisions in one turn, and for that long no socket is read and no answer is sent.

Whoever reads comes first: while lists are asked for without a pause, decisions earn their turns by
what the lists took, and come in together once a whole turn of them is earned: one commit for all,
and one time that what lists are made from changes. After some turns in which nobody read, all is
theirs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Generator
from types import coroutine

DECISIONS_A_TURN = 12
# For how many seconds of lists, less their requests' own cost, one decision is let in.
LISTS_TO_ONE_S = 0.0023
# What a turn earns however little was read in it: nobody waits for ever.
LEAST_A_TURN = 0.1
# Whoever reads without a pause is answered at least once in so many turns.
PAUSE_TURNS = 64


@coroutine
def later() -> Generator[None, None, None]:
    """Let whatever else waits have its turn of the loop, and go on in the next one."""
    yield


class Turns:
    """First come, first served. It counts and does not measure, so a simulation repeats exactly."""

    def __init__(self, per_turn: int = DECISIONS_A_TURN) -> None:
        self._per_turn = self._most = per_turn
        self._reads_s = self._earned = 0.0
        self._unread_turns = PAUSE_TURNS
        self._used = 0
        self._turning = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    def read(self, seconds: float) -> None:
        """Somebody was answered who only read, and that took so long."""
        self._reads_s += seconds

    async def take(self) -> None:
        """Return at once, or in a later turn of the loop if this one has had enough."""
        loop = asyncio.get_running_loop()
        if not self._turning:
            self._turning = True
            loop.call_soon(self._next_turn)
        if self._used < self._most and not self._waiting:
            self._used += 1
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _next_turn(self) -> None:
        self._used = 0
        self._most = self._share()
        while self._waiting and self._used < self._most:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._used += 1
        self._turning = bool(self._used or self._waiting)
        if self._turning:
            asyncio.get_running_loop().call_soon(self._next_turn)
        else:
            self._most = self._per_turn

    def _share(self) -> int:
        """How many decisions the turn that begins may hold."""
        reads_s, self._reads_s = self._reads_s, 0.0
        self._unread_turns = 0 if reads_s else self._unread_turns + 1
        if self._unread_turns >= PAUSE_TURNS:
            return self._per_turn
        self._earned += max(LEAST_A_TURN, reads_s / LISTS_TO_ONE_S)
        if self._earned < self._per_turn:
            return 0
        self._earned = 0.0
        return self._per_turn
