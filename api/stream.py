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
from api.identity import identify
from projections.cloud import Cloud

FRAMES_KEPT = 4096
BATCHES_KEPT = 64
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
    """The latest events as they are on the wire, each made once however many read it.

    Whoever may see all is told a whole batch at a time, and most are told the same one.
    """

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Happened, bytes]] = {}
        self._batches: dict[tuple[int, int], tuple[Happened, Happened, bytes]] = {}

    def told(self, reader: Identity, batch: Sequence[Happened]) -> bytes:
        """What this reader is told of a batch; nothing, if it may see nothing of it."""
        if not batch or not reader.is_root:
            return b"".join([self.of(one) for one in batch if may_see(reader, one)])
        first, last = batch[0], batch[-1]
        key = first.position, last.position
        kept = self._batches.get(key)
        if kept is not None and kept[0] is first and kept[1] is last:
            return kept[2]
        made = b"".join([self.of(one) for one in batch])
        self._batches[key] = first, last, made
        if len(self._batches) > BATCHES_KEPT:
            del self._batches[next(iter(self._batches))]
        return made

    def of(self, happened: Happened) -> bytes:
        kept = self._kept.get(happened.position)
        if kept is not None and kept[0] is happened:
            return kept[1]
        made = frame(happened)
        self._kept[happened.position] = (happened, made)
        if len(self._kept) > FRAMES_KEPT:
            del self._kept[next(iter(self._kept))]
        return made


class Readers:
    """Who users are at the position that the cloud is at: looked up once for all their readers."""

    def __init__(self) -> None:
        self._position = -1
        self._known: dict[UUID, Identity | None] = {}

    def who(self, cloud: Cloud, user_id: UUID) -> Identity | None:
        """The user as it is now; None for one that may do nothing any more."""
        if cloud.position != self._position:
            self._known.clear()
            self._position = cloud.position
        if user_id not in self._known:
            self._known[user_id] = identify(cloud, user_id)
        return self._known[user_id]


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
        told = frames.told(reader, batch)
        if not told and batch and loop.time() - wrote_s < heartbeat_s:
            continue
        async with asyncio.timeout(stuck_s):
            await write(told or STILL_HERE)
        wrote_s = loop.time()
