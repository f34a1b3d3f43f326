"""Shares the event loop: a few decisions in each of its turns, so that nobody waits long.

A decision holds the loop for half a millisecond. Five hundred requests that arrive together would
be five hundred decisions in one turn, and for that long no socket is read and no answer is sent.
"""

from __future__ import annotations

import asyncio
from collections import deque

DECISIONS_A_TURN = 12


class Turns:
    """First come, first served. It counts and does not measure, so a simulation repeats exactly."""

    def __init__(self, per_turn: int = DECISIONS_A_TURN) -> None:
        self._per_turn = per_turn
        self._used = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Return at once, or in a later turn of the loop if this one has had enough."""
        loop = asyncio.get_running_loop()
        if self._used == 0:
            loop.call_soon(self._next_turn)
        if self._used < self._per_turn and not self._waiting:
            self._used += 1
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _next_turn(self) -> None:
        self._used = 0
        while self._waiting and self._used < self._per_turn:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._used += 1
        if self._used:
            asyncio.get_running_loop().call_soon(self._next_turn)
