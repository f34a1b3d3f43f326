"""The simulator that is a process of its own, as a driver: one line to it for all hosts.

A question that was never sent is `Unavailable`. One whose answer never came is `Unknown` if it may
have changed something, and `Unavailable` if it only looked. The line is made anew by the next call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any, cast

import msgspec

from drivers.contract.compute import HostAddress
from drivers.contract.driver import HostSession
from drivers.contract.errors import Refused, Unavailable, Unknown
from drivers.kit.verbs import VERBS, Verb
from drivers.sim.address import behind
from drivers.sim.frames import (
    CANCEL,
    CONNECT,
    NOTHING,
    Answer,
    Ask,
    Connect,
    Frames,
    encode,
    failure,
    framed,
)
from drivers.sim.kind import CAPABILITIES, KIND

CONNECT_S = 5.0
# No simulated verb takes so long: who waits longer may ask again with the same key.
ANSWER_S = 120.0
_ANSWERS = msgspec.msgpack.Decoder(Answer)


class Line(asyncio.Protocol):
    """A connection, and who waits for an answer over it."""

    def __init__(self) -> None:
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self.waiting: dict[int, asyncio.Future[Answer]] = {}

    @property
    def is_up(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._frames.feed(data):
                answer = _ANSWERS.decode(body)
                waiter = self.waiting.pop(answer.id, None)
                if waiter is not None and not waiter.done():
                    waiter.set_result(answer)
        except (msgspec.DecodeError, ValueError):
            self.cut()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        for waiter in self.waiting.values():
            if not waiter.done():
                waiter.set_exception(ConnectionError(f"the line was lost: {error or 'closed'}"))
        self.waiting.clear()

    def send(self, ask: Ask) -> asyncio.Future[Answer]:
        assert self._transport is not None, "the line is down"
        waiter: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.waiting[ask.id] = waiter
        self._transport.write(framed(ask))
        return waiter

    def give_up(self, ask: Ask) -> None:
        """Say that nobody waits for this answer any more."""
        if self.is_up and self._transport is not None:
            self._transport.write(framed(Ask(ask.id, CANCEL, "", NOTHING)))

    def cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class RemoteSim:
    """Fulfils `drivers.contract.driver.Driver` over a server's world."""

    kind = KIND
    capabilities = CAPABILITIES

    def __init__(self, host: str, port: int, *, answer_s: float = ANSWER_S) -> None:
        self._host, self._port, self._answer_s = host, port, answer_s
        self._line: Line | None = None
        self._turn = asyncio.Lock()
        self._ids = count(1)

    async def discover(self, address: HostAddress) -> tuple[HostAddress, ...]:
        return behind(address)

    async def connect(self, address: HostAddress) -> HostSession:
        arguments = msgspec.Raw(encode(Connect(address)))
        url = await self.ask(CONNECT, address.url, arguments, str, changes=False)
        return cast(HostSession, RemoteSession(self, url))

    async def close(self) -> None:
        self.cut()

    def cut(self) -> None:
        """Lose the line, if there is one; the next call makes another."""
        if self._line is not None:
            self._line.cut()

    async def ask(
        self, verb: str, url: str, arguments: msgspec.Raw, answer: Any, *, changes: bool
    ) -> Any:
        """Ask over the line, and tell its failures apart."""
        line = await self._connected()
        ask = Ask(next(self._ids), verb, url, arguments)
        lost = Unknown if changes else Unavailable
        try:
            async with asyncio.timeout(self._answer_s):
                told = await line.send(ask)
        except TimeoutError:
            raise lost(f"{self._name} did not answer {verb} in {self._answer_s:.0f} s") from None
        except OSError as error:
            raise lost(f"the answer of {self._name} to {verb} was lost: {error}") from error
        except asyncio.CancelledError:
            line.give_up(ask)
            raise
        finally:
            line.waiting.pop(ask.id, None)
        if told.error:
            raise failure(told)
        try:
            return msgspec.msgpack.decode(told.value, type=answer)
        except msgspec.DecodeError as error:
            raise lost(f"{self._name} answered {verb} in words of another version") from error

    async def _connected(self) -> Line:
        if self._line is not None and self._line.is_up:
            return self._line
        async with self._turn:
            if self._line is not None and self._line.is_up:
                return self._line
            loop = asyncio.get_running_loop()
            try:
                async with asyncio.timeout(CONNECT_S):
                    _, line = await loop.create_connection(Line, self._host, self._port)
            except (OSError, TimeoutError) as error:
                raise Unavailable(
                    f"{self._name} does not answer ({error or 'no connection in time'}):"
                    " start it with `sagastack simulate`"
                ) from error
            self._line = line
            return line

    @property
    def _name(self) -> str:
        return f"the simulator at {self._host}:{self._port}"


class RemoteSession:
    """A simulated host of the far world. Its verbs are those of the contract, made below."""

    __slots__ = ("_sim", "url")

    def __init__(self, sim: RemoteSim, url: str) -> None:
        self._sim, self.url = sim, url

    def drop(self) -> None:
        """Lose the line that all sessions share."""
        self._sim.cut()

    async def close(self) -> None:
        """Nothing to let go of: the line belongs to the driver."""


def _asking(verb: Verb) -> Callable[..., Any]:
    async def ask(self: RemoteSession, *args: Any, **kwargs: Any) -> Any:
        arguments = msgspec.Raw(encode(verb.bind(*args, **kwargs)))
        return await self._sim.ask(
            verb.name, self.url, arguments, verb.answer, changes=verb.changes
        )

    ask.__name__ = verb.name
    return ask


for _one in VERBS.values():
    setattr(RemoteSession, _one.name, _asking(_one))


def address_of(text: str) -> tuple[str, int]:
    """`host:port` as a pair."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise Refused(f"{text} is no address of a simulator: write host:port")
    return host.strip("[]"), int(port)
