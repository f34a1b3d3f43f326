"""The log as a stream of server-sent events (HTML Living Standard, section 9.2).

A reader says where it stands, by `Last-Event-ID` or `?after=`, and is given what follows. Events
are pulled from the feed as fast as this reader takes them, so a slow one lags in the log and never
holds up a writer; one that takes nothing for a minute is let go, and may resume where it was. What
an event looks like on the wire is made once for all readers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec

from api.caller import Identity

FRAMES_KEPT = 4096
HEARTBEAT_S = 15.0
STILL_HERE = b": still here\n\n"
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


Feed = Callable[[int, float], AsyncGenerator[Sequence[Happened], None]]
"""What follows a position of the log, for ever; nothing, whenever nothing came for so long."""


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


class Frames:
    """The latest events as they are on the wire, each made once however many read it."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Happened, bytes]] = {}

    def of(self, happened: Happened) -> bytes:
        kept = self._kept.get(happened.position)
        if kept is not None and kept[0] is happened:
            return kept[1]
        made = frame(happened)
        self._kept[happened.position] = (happened, made)
        if len(self._kept) > FRAMES_KEPT:
            del self._kept[next(iter(self._kept))]
        return made


async def pour(
    batches: AsyncIterator[Sequence[Happened]],
    still: Callable[[], Identity | None],
    write: Callable[[bytes], Awaitable[None]],
    frames: Frames,
    *,
    heartbeat_s: float = HEARTBEAT_S,
    stuck_s: float = STUCK_S,
) -> None:
    """Write what the reader may see until it goes, is stuck, or may see nothing any more.

    `still` says who the reader is now: a user that is disabled loses its stream.
    """
    loop = asyncio.get_running_loop()
    wrote_s = loop.time()
    async for batch in batches:
        if (reader := still()) is None:
            return
        told = b"".join([frames.of(one) for one in batch if may_see(reader, one)])
        if not told and batch and loop.time() - wrote_s < heartbeat_s:
            continue
        async with asyncio.timeout(stuck_s):
            await write(told or STILL_HERE)
        wrote_s = loop.time()
