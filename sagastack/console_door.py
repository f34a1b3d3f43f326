"""The door to serial consoles: a page, and a WebSocket that carries the line.

A ticket opens it: made by `createConsoleEndpoint` for one user and one machine, sealed, good for a
minute and once. It stands behind the `#` of the page's URL, which no browser sends to a server, and
is the first message of the WebSocket; so no log has it. Whoever came in stays for as long as they
are a user and the machine runs where it ran, for whom it ran.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from contextlib import suppress
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import WSMsgType, web

from aggregates.errors import DomainError
from api.app import COMMAND, STREAMS
from api.caller import Engine
from api.console_ticket import Ticket, entry_of
from api.identity import identify
from api.ready import HEADERS
from drivers.contract.console import SerialLine
from drivers.contract.errors import DriverError
from projections.cloud import Cloud
from projections.vm import vms
from sagastack.console_page import PAGE

TOLD_S = 10.0
STUCK_S = 30.0
IDLE_S = 1800.0
LOOK_S = 5.0
HEARTBEAT_S = 20.0
MESSAGE_BYTES_MAX = 64 * 1024
REASON_BYTES_MAX = 120
# On which host a machine runs, and whose it is.
Whose = tuple[UUID | None, UUID]


class NotIn(Exception):
    """Why the door stays shut, or what ended a visit."""


class ConsoleDoor:
    """The two routes."""

    def __init__(self, engine: Engine, now_ms: Any) -> None:
        self._engine, self._now_ms = engine, now_ms

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/client/console/{vm}", self.page)
        app.router.add_get("/client/console/{vm}/line", self.line)

    async def page(self, request: web.Request) -> web.Response:
        """A terminal, the same for everybody: it opens nothing without a ticket."""
        request[COMMAND] = "console"
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
            "connect-src 'self'; frame-ancestors 'self'; base-uri 'none'"
        )
        return web.Response(
            text=PAGE.replace("NONCE", nonce),
            content_type="text/html",
            headers={
                **HEADERS,
                "Content-Security-Policy": policy,
                "Referrer-Policy": "no-referrer",
            },
        )

    async def line(self, request: web.Request) -> web.WebSocketResponse:
        """Carry a serial line: binary messages are its bytes, a text says what went wrong."""
        request[COMMAND] = "console"
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MESSAGE_BYTES_MAX)
        await socket.prepare(request)
        open_streams, own = request.app[STREAMS], asyncio.current_task()
        assert own is not None
        open_streams.add(own)
        why = ""
        try:
            await self._visit(socket, request.match_info["vm"])
        except (NotIn, DomainError, DriverError) as error:
            why = str(error)
        except (ConnectionError, TimeoutError):
            why = "nothing was taken for a while"
        finally:
            open_streams.discard(own)
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(STUCK_S):
                if why:
                    await socket.send_str(why)
                await socket.close(message=why.encode()[:REASON_BYTES_MAX])
        return socket

    async def _visit(self, socket: web.WebSocketResponse, named: str) -> None:
        vm_id, user_id = await self._known(socket, named)
        console = await self._engine.console(vm_id)
        if console.line is None:
            raise NotIn("its hypervisor gives it no serial line that can be carried")
        vm = self._engine.cloud[vms].get(vm_id)
        was = None if vm is None else (vm.host_id, vm.account_id)
        line = await console.line()
        ended: BaseExceptionGroup[Exception] | None = None
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(one)
                    for one in (
                        _listen(line, socket),
                        _type(socket, line),
                        self._watch(user_id, vm_id, was),
                    )
                ]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    task.cancel()
        except* (NotIn, DomainError, DriverError, ConnectionError, TimeoutError) as several:
            ended = several
        finally:
            await line.close()
        if ended is not None:  # Raised within `except*`, Python 3.11.2 would put it into a group.
            raise NotIn(str(_first(ended))) from ended

    async def _known(self, socket: web.WebSocketResponse, named: str) -> tuple[UUID, UUID]:
        """Which machine the ticket is for, and whose it is; it opens nothing again."""
        try:
            async with asyncio.timeout(TOLD_S):
                message = await socket.receive()
        except TimeoutError:
            raise NotIn("no ticket came: send it as the first message") from None
        given = message.data if message.type is WSMsgType.TEXT else ""
        vm_id, ticket = await self._taken(named, given)
        if self._now_ms() >= ticket.expires_at_ms:
            raise NotIn("this ticket is over: ask for a console again")
        if identify(self._engine.cloud, ticket.user_id) is None:
            raise NotIn("its user may not come in any more")
        return vm_id, ticket.user_id

    async def _taken(self, named: str, given: str) -> tuple[UUID, Ticket]:
        """The ticket with this token, which is nobody's any more."""
        try:
            vm_id = UUID(named)
            sealed = await self._engine.secret(str(entry_of(vm_id)))
        except (ValueError, KeyError):
            raise NotIn("there is no such ticket: ask for a console again") from None
        ticket = msgspec.json.decode(sealed, type=Ticket)
        if not hmac.compare_digest(ticket.token.encode(), given.encode()):
            raise NotIn("there is no such ticket: ask for a console again")
        if not await self._engine.shred(str(entry_of(vm_id))):
            raise NotIn("this ticket has just been used: ask for a console again")
        return vm_id, ticket

    async def _watch(self, user_id: UUID, vm_id: UUID, was: Whose | None) -> None:
        """Ends when the visitor or the machine is not what it was."""
        loop = asyncio.get_running_loop()
        while _stays(self._engine.cloud, user_id, vm_id, was):
            with suppress(TimeoutError):
                async with asyncio.timeout_at(loop.time() + LOOK_S):
                    await loop.create_future()
        raise NotIn("the machine was stopped, or you may not look at it any more")


def _stays(cloud: Cloud, user_id: UUID, vm_id: UUID, was: Whose | None) -> bool:
    vm = cloud[vms].get(vm_id)
    same = vm is not None and (vm.host_id, vm.account_id) == was
    return same and identify(cloud, user_id) is not None


async def _listen(line: SerialLine, socket: web.WebSocketResponse) -> None:
    while data := await line.read():
        async with asyncio.timeout(STUCK_S):
            await socket.send_bytes(data)


async def _type(socket: web.WebSocketResponse, line: SerialLine) -> None:
    while True:
        try:
            async with asyncio.timeout(IDLE_S):
                message = await socket.receive()
        except TimeoutError:
            raise NotIn(f"nothing was typed for {IDLE_S / 60:.0f} minutes") from None
        if message.type is WSMsgType.TEXT:
            await line.write(message.data.encode())
        elif message.type is WSMsgType.BINARY:
            await line.write(message.data)
        else:
            return


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    one: BaseException = group
    while isinstance(one, BaseExceptionGroup):
        one = one.exceptions[0]
    return one
