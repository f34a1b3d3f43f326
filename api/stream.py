"""The log as a stream of server-sent events (HTML Living Standard, section 9.2).

A reader says where it stands, by `Last-Event-ID` or `?after=`, and is given what follows. Events
are pulled from the feed as fast as this reader takes them, so a slow one lags in the log and never
holds up a writer; one that takes nothing for a minute is let go, and may resume where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol
from uuid import UUID

import msgspec

from api.caller import Identity

BUFFER_EVENTS = 256
HEARTBEAT_S = 15.0
STUCK_S = 60.0


class Happened(Protocol):
    """A recorded event, as the feed gives it."""

    @property
    def position(self) -> int: ...
    @property
    def stream(self) -> UUID: ...
    @property
    def version(self) -> int: ...
    @property
    def at_ms(self) -> int: ...
    @property
    def user(self) -> UUID | None: ...
    @property
    def account(self) -> UUID | None: ...
    @property
    def saga(self) -> UUID | None: ...
    @property
    def action(self) -> str: ...
    @property
    def topic(self) -> str: ...
    @property
    def event(self) -> Any: ...


Feed = Callable[[int], AsyncIterator[Happened]]
"""What follows a position of the log, for ever."""


def may_see(caller: Identity, happened: Happened) -> bool:
    """The root administrator sees every event; everybody else those of their own account."""
    return caller.is_root or (
        happened.account is not None
        and (happened.account == caller.account_id or happened.account in caller.projects)
    )


def frame(happened: Happened) -> bytes:
    """One event on the wire; its id is its position, which is where a reader resumes."""
    data = msgspec.json.encode(
        {
            "position": happened.position,
            "id": happened.stream,
            "version": happened.version,
            "atms": happened.at_ms,
            "user": happened.user,
            "account": happened.account,
            "saga": happened.saga,
            "action": happened.action,
            "event": happened.event,
        }
    )
    head = f"id: {happened.position}\nevent: {happened.topic}\ndata: "
    return head.encode() + data + b"\n\n"


async def pour(
    events: AsyncIterator[Happened],
    still: Callable[[], Identity | None],
    write: Callable[[bytes], Awaitable[None]],
    *,
    heartbeat_s: float = HEARTBEAT_S,
    stuck_s: float = STUCK_S,
) -> None:
    """Write what the reader may see until it goes, is stuck, or may see nothing any more.

    `still` says who the reader is now: a user that is disabled loses its stream.
    """
    waiting: asyncio.Queue[Happened | None] = asyncio.Queue(BUFFER_EVENTS)

    async def pull() -> None:
        async for happened in events:
            await waiting.put(happened)
        await waiting.put(None)

    async def push() -> None:
        while (reader := still()) is not None:
            try:
                happened = await asyncio.wait_for(waiting.get(), heartbeat_s)
            except TimeoutError:
                await asyncio.wait_for(write(b": still here\n\n"), stuck_s)
                continue
            if happened is None:
                return
            if may_see(reader, happened):
                await asyncio.wait_for(write(frame(happened)), stuck_s)

    async with asyncio.TaskGroup() as tasks:
        pulling = tasks.create_task(pull())
        await push()
        pulling.cancel()
