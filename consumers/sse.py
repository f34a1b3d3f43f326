"""A controller's `/events` as a source: server-sent events, taken up again where they broke off.

Whoever reads sees what its account may see: a root administrator everything. A reader that falls
behind lags in the log and holds up nobody; the server lets go of one that takes nothing for a
minute, and it comes again by itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import aiohttp
import msgspec

from consumers.errors import NotAllowed, Unreadable
from consumers.event import Event, make
from consumers.patience import Patience
from consumers.signing import signed
from consumers.stream import Stream

# The server says that it is there every 15 s.
SILENCE_S, CONNECT_S = 45.0, 10.0
LINE_BYTES_MAX = 16 * 1024 * 1024
REFUSALS = (400, 401, 403, 404, 431, 432, 531, 532)


class _Told(msgspec.Struct):
    """A frame's data as the server writes it."""

    position: int
    id: UUID
    version: int
    atms: int
    event: msgspec.Raw
    user: UUID | None = None
    account: UUID | None = None
    saga: UUID | None = None
    action: str = ""


class SseStream(Stream):
    """`url` is the address of the events; nothing of it but the two keys is secret."""

    def __init__(
        self, url: str, key: str, secret: str, *, patience_s: float, **common: Any
    ) -> None:
        super().__init__(**common)
        self._url, self._key, self._secret = url, key, secret
        self._patience_s = patience_s
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _events(self, after: int) -> AsyncIterator[Event]:
        patience = Patience(self._url, self._patience_s)
        silence = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S)
        # A frame is a line, and a big event makes a long one.
        self._session = aiohttp.ClientSession(timeout=silence, read_bufsize=LINE_BYTES_MAX)
        while self._session is not None:
            why: BaseException | str = "the stream ended"
            try:
                async for event in self._once(self._session, after, patience):
                    yield event
                    after = event.position
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as broken:
                why = broken
            await patience.wait(why)

    async def _once(
        self, session: aiohttp.ClientSession, after: int, patience: Patience
    ) -> AsyncIterator[Event]:
        """One connection's worth of events."""
        query = {"after": str(after)}
        if self._key:
            query = signed(query, self._key, self._secret)
        async with session.get(self._url, params=query) as answer:
            if answer.status in REFUSALS:
                raise NotAllowed(f"{self._url} answers {answer.status}: {await answer.text()}")
            answer.raise_for_status()
            topic, data = "", b""
            async for raw in answer.content:
                patience.lives()
                line = raw.rstrip(b"\r\n")
                name, _, value = line.partition(b": ")
                if name == b"event":
                    topic = value.decode()
                elif name == b"data":
                    data = value
                elif not line and data:
                    yield _event(topic, data)
                    topic, data = "", b""


def _event(topic: str, data: bytes) -> Event:
    try:
        told = msgspec.json.decode(data, type=_Told)
    except (msgspec.MsgspecError, UnicodeDecodeError) as wrong:
        raise Unreadable(f"a frame about {topic} cannot be read: {wrong}") from wrong
    return make(
        position=told.position,
        stream=told.id,
        version=told.version,
        topic=topic,
        at_ms=told.atms,
        shape=0,
        fields=told.event,
        user=told.user,
        account=told.account,
        saga=told.saga,
        action=told.action,
        partition=0,
    )
