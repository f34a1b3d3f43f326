"""An answer that is bytes already, written to the connection with its head in one go.

aiohttp builds a head from a table of headers that any handler may change until it is sent: a third
of what it costs to send a small answer. All good answers have the same headers but for length and
date, so theirs is filled in. Whoever speaks HTTP/1.0, or wants the connection closed, and whatever
has headers of its own is answered by aiohttp's own way, with the same bytes.
"""

from __future__ import annotations

from functools import cache

from aiohttp import ClientConnectionResetError, HttpVersion11, payload, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import SERVER_SOFTWARE

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-XSS-Protection": "1; mode=block",
    "X-Frame-Options": "SAMEORIGIN",
    "Cache-Control": "no-store",
}
COPIED_BYTES = 65_536
"""A smaller body is sooner copied together than written in parts."""


class Ready(web.Response):
    """Status 200 and these parts, one after another; nothing of a long one is copied."""

    def __init__(self, parts: tuple[bytes, ...], content_type: str) -> None:
        super().__init__()
        self._parts, self._type = parts, content_type
        self._asked: web.BaseRequest | None = None

    @property
    def keep_alive(self) -> bool | None:
        return super().keep_alive if self._asked is None else True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        if request.version == HttpVersion11 and request.keep_alive and not self.headers:
            self._asked = request
            return request.writer
        if not self.prepared:
            own = self.headers.copy()
            self.headers.clear()
            self.headers.update({**HEADERS, "Content-Type": self._type})
            self.headers.extend(own)
            self.body = body_of(self._parts)
        return await super().prepare(request)

    async def write_eof(self, data: bytes = b"") -> None:
        if self._asked is None:
            await super().write_eof(data)
            return
        transport = self._asked.transport
        if transport is None or transport.is_closing():
            raise ClientConnectionResetError("the client has hung up")
        size_bytes = sum(map(len, self._parts))
        head = _head(self._type) % (size_bytes, rfc822_formatted_time().encode())
        if size_bytes < COPIED_BYTES:
            transport.write(b"".join((head, *self._parts)))
        else:
            transport.writelines((head, *self._parts))
        await self._asked.writer.drain()


@cache
def _head(content_type: str) -> bytes:
    """What comes before the body, for its length and the date to be put in."""
    lines = [
        f"{name}: {value}" for name, value in (HEADERS | {"Content-Type": content_type}).items()
    ]
    lines += ["Content-Length: %d", "Date: %s", f"Server: {SERVER_SOFTWARE}"]
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode()


def body_of(parts: tuple[bytes, ...]) -> bytes | payload.Payload:
    """The body of a response: whole if it is small."""
    whole = sum(map(len, parts)) < COPIED_BYTES
    return b"".join(parts) if whole else Parts(parts)


class Parts(payload.Payload):
    """A body in parts, which go to the socket as they are: nothing is copied together."""

    _value: tuple[bytes, ...]

    def __init__(self, parts: tuple[bytes, ...]) -> None:
        super().__init__(parts, content_type="application/json")
        self._size = sum(map(len, parts))

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return b"".join(self._value).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        for part in self._value:
            await writer.write(part)
