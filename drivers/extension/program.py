"""A program of somebody else's, running, and who waits for its answers.

It is started by the first question and again by the one after its end. A question that it has not
answered when it ends is `Unknown` if it may have changed something. Answers come in any order.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, cast

import msgspec

from drivers.contract.compute import HostAddress
from drivers.contract.errors import Refused, Unavailable, Unknown
from drivers.extension.words import Answer, Ask
from drivers.kit.verbs import ERRORS

log_ = logging.getLogger("sagastack.extension")

LINE_MAX_BYTES = 16 * 1024**2
END_S = 5.0
STDIN, STDOUT = 0, 1
_ANSWERS = msgspec.json.Decoder(Answer)


class Pipes(asyncio.SubprocessProtocol):
    """The pipes of one run of the program."""

    def __init__(self) -> None:
        self.waiting: dict[int, tuple[asyncio.Future[Answer], asyncio.Timeout, float]] = {}
        self.over = asyncio.Event()
        self._transport: asyncio.SubprocessTransport | None = None
        self._rest = bytearray()
        self._ending = False

    @property
    def is_up(self) -> bool:
        return self._transport is not None and not self.over.is_set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)  # uvloop's is no subclass.

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd != STDOUT:
            log_.warning("%s", data.decode(errors="replace").rstrip())
            return
        self._rest += data
        *lines, rest = self._rest.split(b"\n")
        self._rest = bytearray(rest)
        try:
            if len(rest) > LINE_MAX_BYTES:
                raise ValueError("a line without an end")
            for line in lines:
                self._take(_ANSWERS.decode(line))
        except (msgspec.DecodeError, ValueError) as error:
            log_.warning("the program said what is no answer (%s), and is ended", error)
            self.end()

    def _take(self, answer: Answer) -> None:
        """What nobody waits for is dropped."""
        if answer.id not in self.waiting:
            return
        waiter, limit, patience_s = self.waiting[answer.id]
        if answer.progress is not None:
            log_.info("%s%% %s", answer.progress, answer.text)
            with suppress(RuntimeError):
                limit.reschedule(asyncio.get_running_loop().time() + patience_s)
        elif not waiter.done():
            waiter.set_result(answer)

    def pipe_connection_lost(self, fd: int, error: Exception | None) -> None:
        """One that listens or says nothing any more is of no use, though it runs on."""
        if fd in (STDIN, STDOUT) and not self._ending:
            self.end()

    def process_exited(self) -> None:
        self.over.set()
        for waiter, _, _ in self.waiting.values():
            if not waiter.done():
                waiter.set_exception(ConnectionError("the program ended"))

    def write(self, ask: Ask) -> None:
        assert self._transport is not None
        pipe = cast(asyncio.WriteTransport, self._transport.get_pipe_transport(STDIN))
        pipe.write(msgspec.json.encode(ask) + b"\n")

    def end(self) -> None:
        """End this run now; it is our own child."""
        if self._transport is not None:
            with suppress(ProcessLookupError):
                self._transport.kill()

    async def close(self) -> None:
        """Let it end by itself, and then make it."""
        assert self._transport is not None
        self._ending = True
        pipe = self._transport.get_pipe_transport(STDIN)
        if pipe is not None:
            pipe.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                await self.over.wait()
        self._transport.close()


class Program:
    """`patience_s` is how long a verb may say nothing."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        patience_s: float,
        environment: Mapping[str, str],
    ) -> None:
        self._command, self._folder, self._patience_s = tuple(command), folder, patience_s
        self._environment = {**os.environ, **environment}
        self._pipes: Pipes | None = None
        self._turn = asyncio.Lock()
        self._ids = count(1)

    async def ask(
        self, verb: str, host: HostAddress, arguments: msgspec.Raw, answer: Any, *, changes: bool
    ) -> Any:
        """Ask, and tell the failures apart."""
        pipes = await self._running()
        lost = Unknown if changes else Unavailable
        ask = Ask(next(self._ids), verb, host, arguments)
        waiter: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._patience_s) as limit:
                pipes.waiting[ask.id] = (waiter, limit, self._patience_s)
                pipes.write(ask)
                told = await waiter
        except TimeoutError:
            self._give_up(pipes, ask)
            raise lost(f"{verb}: no word from {self._name} in {self._patience_s:g} s") from None
        except OSError as error:
            raise lost(f"{verb}: {self._name}: {error}") from error
        except asyncio.CancelledError:
            self._give_up(pipes, ask)
            raise
        finally:
            pipes.waiting.pop(ask.id, None)
        if told.error:
            raise ERRORS.get(told.error, lost)(
                told.text or f"{verb}: {told.error}, and no word why"
            )
        try:
            return msgspec.json.decode(told.value, type=answer)
        except msgspec.DecodeError as error:
            raise lost(f"{verb}: {self._name} answers with something else: {error}") from error

    def drop(self) -> None:
        """End the program as a crash would; the next question starts it again."""
        if self._pipes is not None:
            self._pipes.end()

    async def close(self) -> None:
        pipes, self._pipes = self._pipes, None
        if pipes is not None and pipes.is_up:
            await pipes.close()

    @property
    def _name(self) -> str:
        return self._command[0]

    def _give_up(self, pipes: Pipes, ask: Ask) -> None:
        if pipes.is_up:
            pipes.write(Ask(ask.id, cancel=True))

    async def _running(self) -> Pipes:
        async with self._turn:
            if self._pipes is None or not self._pipes.is_up:
                loop = asyncio.get_running_loop()
                try:
                    _, self._pipes = await loop.subprocess_exec(
                        Pipes, *self._command, cwd=self._folder, env=self._environment
                    )
                except OSError as error:
                    raise Refused(
                        f"{self._name} cannot be run in {self._folder}: {error}"
                    ) from error
            return self._pipes
