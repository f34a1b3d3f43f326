"""A simulated data centre for several controllers: one world, served to whoever connects.

What is asked goes on when its line is cut, as on a real hypervisor: only the answer is lost then.
A verb that its caller cancels ends, having happened or not.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import msgspec

from drivers.contract.errors import DriverError, Refused
from drivers.kit.verbs import VERBS
from drivers.sim.driver import SimDriver
from drivers.sim.frames import (
    CANCEL,
    CONNECT,
    NOTHING,
    Answer,
    Ask,
    Connect,
    Frames,
    encode,
    framed,
)

log_ = logging.getLogger("sagastack.simulator")

READ_BYTES = 1 << 18
_ASKS = msgspec.msgpack.Decoder(Ask)


class Server:
    """The far end of `drivers.sim.remote`. Its work belongs to one group of tasks."""

    def __init__(self, driver: SimDriver, group: asyncio.TaskGroup) -> None:
        self._driver, self._group = driver, group
        self._lines: set[asyncio.StreamWriter] = set()
        self._work: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take questions from one line until it ends."""
        frames, begun = Frames(), dict[int, asyncio.Task[None]]()
        self._lines.add(writer)
        try:
            while data := await reader.read(READ_BYTES):
                for body in frames.feed(data):
                    ask = _ASKS.decode(body)
                    if ask.verb != CANCEL:
                        begun[ask.id] = self._begin(ask, writer)
                        begun[ask.id].add_done_callback(partial(begun.pop, ask.id))
                    elif ask.id in begun:
                        begun[ask.id].cancel()
        except OSError:
            pass  # cut: whoever asked finds out at its own end
        except (msgspec.DecodeError, ValueError) as error:
            log_.warning("a line was closed that speaks something else: %s", error)
        finally:
            self._lines.discard(writer)
            writer.close()

    def close(self) -> None:
        """Break off what is under way, and every line."""
        for task in self._work:
            task.cancel()
        for writer in self._lines:
            writer.transport.abort()

    def _begin(self, ask: Ask, writer: asyncio.StreamWriter) -> asyncio.Task[None]:
        task = self._group.create_task(self._reply(ask, writer), name=ask.verb)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    async def _reply(self, ask: Ask, writer: asyncio.StreamWriter) -> None:
        try:
            value = msgspec.Raw(encode(await self._done(ask)))
            answer = Answer(ask.id, "", "", value)
        except DriverError as error:
            answer = Answer(ask.id, type(error).__name__, str(error), NOTHING)
        if writer.is_closing():  # Nobody is left to be told.
            return
        with suppress(OSError):
            writer.write(framed(answer))
            await writer.drain()

    async def _done(self, ask: Ask) -> Any:
        try:
            if ask.verb == CONNECT:
                address = msgspec.msgpack.decode(ask.arguments, type=Connect).address
                return (await self._driver.connect(address)).url
            verb = VERBS.get(ask.verb)
            if verb is None:
                raise Refused(f"the simulator has no verb {ask.verb}; is it of this version?")
            arguments = verb.taken(msgspec.msgpack.decode(ask.arguments, type=verb.arguments))
        except msgspec.DecodeError as error:
            raise Refused(f"the simulator does not understand {ask.verb}: {error}") from error
        method = getattr(self._driver.session(ask.url), verb.name)
        return await method(*arguments.args, **arguments.kwargs)


@asynccontextmanager
async def serving(driver: SimDriver, host: str, port: int) -> AsyncIterator[int]:
    """Serve the driver's world until the block ends; says the port, which for 0 is a free one."""
    async with asyncio.TaskGroup() as group:
        far_end = Server(driver, group)
        listener = await asyncio.start_server(far_end.serve, host, port)
        try:
            yield listener.sockets[0].getsockname()[1]
        finally:
            listener.close()
            far_end.close()
