"""A TCP relay on loopback whose lines a test can cut, while both ends go on living."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self

CHUNK_BYTES = 1 << 16


class Relay:
    """Listens on a port of its own and carries every line to one far address."""

    def __init__(self, host: str, port: int) -> None:
        self._far = (host, port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._severed = False
        self._flows = asyncio.Event()
        self._flows.set()

    @property
    def port(self) -> int:
        assert self._server is not None, "not started"
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Reset every line, as a dead switch would."""
        for writer in list(self._writers):
            writer.transport.abort()

    def lead(self, host: str, port: int) -> None:
        """Carry every new line to another address, and reset those that there are."""
        self._far = (host, port)
        self.cut()

    def sever(self) -> None:
        """Reset every line, and each new one, until `heal`."""
        self._severed = True
        self.cut()

    def hang(self) -> None:
        """Carry nothing any more and reset nothing, as a switch that lost its table would."""
        self._flows.clear()

    def heal(self) -> None:
        """Carry again."""
        self._severed = False
        self._flows.set()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._severed:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._far)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self._writers |= ends
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, far_writer))
                group.create_task(self._pump(far_reader, writer))
        except asyncio.CancelledError:
            return  # the test's loop is being closed: nobody is left to tell
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                await self._flows.wait()
                writer.write(chunk)
                await writer.drain()
        writer.transport.abort()
