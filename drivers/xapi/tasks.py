"""Waiting for XAPI's tasks by `event.from`, one long poll for all who wait on a line.

Nobody polls in the background: of those who wait, one asks for events and tells the others, and
when it has what it wanted, another takes over. The token says what was heard last; where XAPI no
longer knows it, each looks at its own task again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from drivers.contract.errors import DriverError, Unknown
from drivers.xapi.errors import code_of

POLL_S = 20.0
STALE = ("EVENTS_LOST", "EVENT_FROM_TOKEN_PARSE_FAILURE")
UNDER_WAY = ("pending", "cancelling")
Record = Mapping[str, Any]


class Call(Protocol):
    async def __call__(self, method: str, *params: object, timeout_s: float = ...) -> Any: ...


class Tasks:
    """The tasks that somebody on this line waits for."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._token = ""
        self._heard: dict[str, Record | None] = {}
        self._waiters: dict[str, int] = {}
        self._leading = False
        self._news = asyncio.Event()

    async def ended(self, task: str, *, limit_s: float, doing: str) -> Record:
        """The task's record once it has ended. Unknown: it is still under way after the limit."""
        self._waiters[task] = self._waiters.get(task, 0) + 1
        try:
            async with asyncio.timeout(limit_s):
                return await self._ended(task)
        except TimeoutError:
            raise Unknown(f"{doing}: the task is not over after {limit_s:g} s; ask again") from None
        finally:
            self._waiters[task] -= 1
            if not self._waiters[task]:
                del self._waiters[task]
                self._heard.pop(task, None)

    async def _ended(self, task: str) -> Record:
        record: Record | None = None
        while record is None or record["status"] in UNDER_WAY:
            if record is None:
                self._heard.pop(task, None)
                record = await self._call("task.get_record", task)
            elif not self._leading:
                await self._lead()
            else:
                await self._news.wait()
            record = self._heard.get(task, record)
        return record

    async def _lead(self) -> None:
        self._leading = True
        try:
            told = await self._call(
                "event.from", ["task"], self._token, POLL_S, timeout_s=POLL_S + 15
            )
            self._token = told["token"]
            for event in told["events"]:
                if event["ref"] in self._waiters and "snapshot" in event:
                    self._heard[event["ref"]] = event["snapshot"]
        except DriverError as error:
            if code_of(error) not in STALE:
                raise
            self._token = ""
            self._heard = dict.fromkeys(self._waiters)
        finally:
            self._leading = False
            news, self._news = self._news, asyncio.Event()
            news.set()


async def until(
    call: Call,
    classes: list[str],
    holds: Callable[[list[Record]], Awaitable[bool]],
    *,
    limit_s: float,
) -> bool:
    """Hear of these objects until something holds; False if it does not within the limit.

    The first answer tells how they are now.
    """
    token = ""
    try:
        async with asyncio.timeout(limit_s):
            while True:
                told = await call("event.from", classes, token, POLL_S, timeout_s=POLL_S + 15)
                token = told["token"]
                if await holds([one["snapshot"] for one in told["events"] if "snapshot" in one]):
                    return True
    except TimeoutError:
        return False
