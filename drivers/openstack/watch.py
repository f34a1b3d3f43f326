"""Waiting for many things with one question: whoever asks, asks for all who wait.

OpenStack's services send clients no events. So waiters look together: a look that began after one
of them asked serves it too, and thousands of starts cost as many looks as one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from drivers.contract.errors import Unavailable, Unknown

Row = dict[str, Any]
Look = Callable[[frozenset[str]], Awaitable[Mapping[str, Row]]]


class Watch:
    """`look` answers with the rows of those that it is asked for; one that is gone has no row."""

    def __init__(self, look: Look, *, pause_s: float) -> None:
        self._look, self._pause_s = look, pause_s
        self._waiting: Counter[str] = Counter()
        self._turn = asyncio.Lock()
        self._began_s = float("-inf")
        self._asked: frozenset[str] = frozenset()
        self._rows: Mapping[str, Row] = {}
        self._never = asyncio.Event()

    async def until(
        self, thing: str, done: Callable[[Row | None], bool], *, limit_s: float, doing: str
    ) -> Row | None:
        """The row of which `done` is true. What `done` raises ends the wait.

        Nobody knows what became of it when the time is over: that is `Unknown`. A look that
        fails meanwhile is made again.
        """
        self._waiting[thing] += 1
        said = ""
        try:
            async with asyncio.timeout(limit_s):
                while True:
                    try:
                        row = await self._fresh(thing)
                    except Unavailable as error:
                        said = f": {error}"
                    else:
                        if done(row):
                            return row
                    await self.pause()
        except TimeoutError:
            raise Unknown(f"{doing}: not over after {limit_s:g} s{said}") from None
        finally:
            self._waiting[thing] -= 1
            if not self._waiting[thing]:
                del self._waiting[thing]

    async def pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pause_s):
                await self._never.wait()

    async def _fresh(self, thing: str) -> Row | None:
        clock = asyncio.get_running_loop().time
        asked_s = clock()
        async with self._turn:
            if self._began_s < asked_s or thing not in self._asked:
                began_s, wanted = clock(), frozenset(self._waiting)
                self._rows = await self._look(wanted)
                self._began_s, self._asked = began_s, wanted
            return self._rows.get(thing)
