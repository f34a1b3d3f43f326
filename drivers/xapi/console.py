"""A guest's screen: VNC behind `HTTP CONNECT` on the guest's host, brought to a port here.

XAPI's console wants a session and TLS, which no VNC client speaks. So each guest that is looked at
gets a port on loopback that carries a line there; it is closed with the session, and every line
asks for the console anew, because a reboot or a migration gives the guest another one.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import AsyncExitStack, suppress
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

from drivers.contract.compute import Console
from drivers.contract.errors import DriverError, Refused, Unavailable
from drivers.xapi.client import CONNECT_S, Line
from drivers.xapi.errors import code_of
from drivers.xapi.guests import Guests

CHUNK_BYTES = 1 << 16
HEAD_BYTES_MAX = 1 << 14
LOOPBACK = "127.0.0.1"
# Of so many guests a port stays open; that of the one whose screen was asked for longest ago goes.
PORTS_MAX = 128
NO_HEAD = (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)


class Consoles:
    """The ports of one session's guests."""

    def __init__(self, guests: Guests) -> None:
        self._guests = guests
        self._ports: dict[UUID, asyncio.Server] = {}
        self._lines: set[asyncio.StreamWriter] = set()

    async def of(self, guest_id: UUID) -> Console:
        """Refused: it does not run here, or has no screen."""
        await self._location(guest_id)
        server = self._ports.pop(guest_id, None)
        if server is None:

            async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await self._carry(guest_id, reader, writer)

            server = await asyncio.start_server(carry, LOOPBACK, 0)
        self._ports[guest_id] = server
        if len(self._ports) > PORTS_MAX:  # Who looks already goes on.
            self._ports.pop(next(iter(self._ports))).close()
        return Console(vnc_host=LOOPBACK, vnc_port=server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        for server in self._ports.values():
            server.close()
        for writer in list(self._lines):
            writer.transport.abort()
        self._ports.clear()

    async def _location(self, guest_id: UUID) -> str:
        _, record = await self._guests.running(guest_id, verb="console")
        for ref in record["consoles"]:
            try:
                console = await self._guests.line.call("console.get_record", ref)
            except DriverError as error:
                if code_of(error) == "HANDLE_INVALID":
                    continue
                raise
            if console["protocol"] == "rfb":
                return str(console["location"])
        raise Refused(f"guest {guest_id} has no screen")

    async def _carry(
        self, guest_id: UUID, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._lines.add(writer)
        far = None
        try:
            location = await self._location(guest_id)
            far_reader, far = await dial(self._guests.line, location)
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, far))
                group.create_task(_pump(far_reader, writer))
        except* (DriverError, OSError):
            writer.transport.abort()
        finally:
            self._lines.discard(writer)
            for one in (writer, far):
                if one is not None:
                    one.close()


async def dial(line: Line, location: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A line to a console. Its host's certificate is the one that the pool vouched for."""
    url = urlsplit(location)
    host, port = url.hostname or "", url.port or line.place.port
    trust = line.trust_of(host)
    query = urlencode([*parse_qsl(url.query), ("session_id", await line.session_id())])
    async with AsyncExitStack() as failed:
        try:
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await asyncio.open_connection(host, port, ssl=trust.context())
                failed.callback(writer.close)
                tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
                trust.check(tls.getpeercert(binary_form=True), host)
                writer.write(f"CONNECT {url.path}?{query} HTTP/1.0\r\n\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
        except NO_HEAD as error:
            raise Unavailable(f"the console at {host} does not answer: {error}") from error
        words = head.split(b"\r\n", 1)[0].split()
        if len(words) < 2 or words[1] != b"200":
            raise Unavailable(f"the console at {host} answers {words[1:]!r}")
        failed.pop_all()
    return reader, writer


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction; at its end the other end is told, and the other direction goes on."""
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    with suppress(OSError, NotImplementedError):
        writer.close()
