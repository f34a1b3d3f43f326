"""The web server of each host: JSON-RPC, disks in and out, statistics, and consoles.

HTTP is spoken by hand, because XAPI's own dialect matters: `CONNECT` with a path for consoles, an
answer before the body of an upload was read, bodies that end with the connection, and lines that
tests may cut at any moment.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.peers.xapi import devices, guests, hosts, networks, snapshots, storage, transfers
from tests.peers.xapi.calls import Context, check, find
from tests.peers.xapi.people import end_task, log_in, need_session, new_task
from tests.peers.xapi.statistics import rrd_updates
from tests.peers.xapi.store import XapiError
from tests.peers.xapi.world import World

# Importing these registers their messages.
MODULES = (devices, guests, hosts, networks, snapshots, storage)
HEAD_BYTES_MAX = 1 << 16
LOGIN_NAMES = ("session.login_with_password", "session.slave_local_login_with_password")


class Cut(Exception):
    """This line ends now, whatever was under way on it."""


@dataclass(slots=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    reader: asyncio.StreamReader = field(repr=False)
    writer: asyncio.StreamWriter = field(repr=False)

    @property
    def length(self) -> int:
        return int(self.headers.get("content-length", "0"))


class Server:
    """All hosts of a pool."""

    def __init__(self, world: World) -> None:
        self._world = world
        world.server = self
        self._servers: dict[str, asyncio.Server] = {}
        self._lines: dict[asyncio.StreamWriter, str] = {}

    async def start(self, port: int) -> None:
        world = self._world
        world.port = port
        for host in world.hosts:
            await self._listen(host)

    async def _listen(self, host: str) -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._talk(host, reader, writer)

        world = self._world
        server = await asyncio.start_server(
            talk, world.address(host), world.port, ssl=world.server_tls(host)
        )
        self._servers[host] = server
        world.port = server.sockets[0].getsockname()[1]

    async def renew_certificate(self, host: str) -> None:
        """As `xe host-refresh-server-certificate`: its lines are cut."""
        self._world.new_certificate(host)
        self._servers[host].close()
        self.cut(host)
        await self._listen(host)

    async def stop(self) -> None:
        for server in self._servers.values():
            server.close()
        self.cut()
        for server in self._servers.values():
            with suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await server.wait_closed()

    def cut(self, host: str = "") -> None:
        """Reset every line, or those of a host."""
        for writer, whose in list(self._lines.items()):
            if host in ("", whose):
                writer.transport.abort()

    def host_down(self, host: str) -> None:
        """Nothing answers at its address any more, and its heartbeats have been missed."""
        self._servers[host].close()
        self.cut(host)
        store = self._world.store
        store.put(store.get("host", host)["metrics"], live=False)

    # ---- one line ------------------------------------------------------------------------

    async def _talk(
        self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._lines[writer] = host
        try:
            while (request := await self._head(reader, writer)) is not None:
                if not await self._answer(host, request):
                    break
        except (OSError, asyncio.IncompleteReadError, Cut, asyncio.LimitOverrunError):
            writer.transport.abort()
        finally:
            self._lines.pop(writer, None)
            with suppress(OSError):
                writer.close()

    async def _head(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Request | None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        parts = urlsplit(target)
        return Request(method, parts.path, dict(parse_qsl(parts.query)), headers, reader, writer)

    async def _answer(self, host: str, request: Request) -> bool:
        """Whether the line can be used again."""
        context = Context(self._world, host)
        where = (request.method, request.path)
        if where == ("POST", "/jsonrpc"):
            await self._json(context, request)
            return True
        try:
            need_session(context, request.query.get("session_id"))
        except XapiError:
            await plain(request, "401 Unauthorised")
            return False
        context.session = request.query["session_id"]
        if where == ("PUT", "/import_raw_vdi"):
            await transfers.import_raw_vdi(context, request)
        elif where == ("GET", "/export_raw_vdi"):
            await transfers.export_raw_vdi(context, request)
        elif where == ("GET", "/rrd_updates"):
            body = json.dumps(rrd_updates(context, request.query)).encode()
            body = self._world.behaviour.garble.of(body)
            await plain(request, "200 OK", body, "application/json")
        elif where == ("CONNECT", "/console"):
            await transfers.console(context, request)
        else:
            await plain(request, "404 Not Found")
        return False

    # ---- JSON-RPC ------------------------------------------------------------------------

    async def _json(self, context: Context, request: Request) -> None:
        body = await request.reader.readexactly(request.length)
        try:
            ask = json.loads(body)
            name, given = str(ask["method"]), list(ask["params"])
        except (ValueError, KeyError, TypeError):
            await plain(request, "400 Bad Request")
            return
        self._world.calls[name] = self._world.calls.get(name, 0) + 1
        fault = self._world.behaviour.take(name)
        if fault is not None:
            await asyncio.sleep(fault.delay_s)
            if fault.drop == "before":
                raise Cut
        told: dict[str, Any] = {"jsonrpc": "2.0", "id": ask.get("id")}
        try:
            if fault is not None and fault.error:
                raise XapiError(*fault.error)
            result = await self._call(context, name, given)
            told["result"] = "" if result is None else result
        except XapiError as error:
            told["error"] = {"code": 1, "message": error.code, "data": error.params}
        if fault is not None and fault.drop == "after":
            raise Cut
        if fault is not None and fault.status:
            await plain(request, fault.status, keep=True)
            return
        said = self._world.behaviour.garble.of(json.dumps(told).encode())
        await plain(request, "200 OK", said, "application/json", keep=True)

    async def _call(self, context: Context, name: str, given: list[Any]) -> Any:
        if name in LOGIN_NAMES:
            if not 2 <= len(given) <= 4 or not all(isinstance(one, str) for one in given):
                raise XapiError("MESSAGE_PARAMETER_COUNT_MISMATCH", name, 4, len(given))
            user, password, _, originator = [*given, "1.0", ""][:4]
            return log_in(context, user, password, originator)
        if not given:
            raise XapiError("MESSAGE_PARAMETER_COUNT_MISMATCH", name, 1, 0)
        session, *rest = given
        need_session(context, session)
        context.session = session
        is_async = name.startswith("Async.")
        plain_name = name.removeprefix("Async.")
        message = find(plain_name)
        check(self._world.store, plain_name, message.types, rest)
        if not is_async:
            context.task = f"OpaqueRef:{plain_name}"
            return await message.run(context, rest)
        context.task = task = new_task(context, name)
        self._world.store.put(task, type=_result_type(plain_name))
        job = self._world.spawn(self._task(context, plain_name, rest), name)
        self._world.jobs[task] = job
        return task

    async def _task(self, context: Context, name: str, given: list[Any]) -> None:
        """A task that has ended says its result in the words of XML-RPC, always."""
        task = context.task
        try:
            result = await find(name).run(context, given)
        except XapiError as error:
            end_task(context, task, "failure", error=(error.code, *error.params))
        except asyncio.CancelledError:
            end_task(context, task, "cancelled", error=("TASK_CANCELLED", task))
        else:
            value = f"<value>{result}</value>" if isinstance(result, str) and result else ""
            end_task(context, task, "success", result=value)
        finally:
            self._world.jobs.pop(task, None)


def _result_type(name: str) -> str:
    return f"<{name.lower()}>"


async def plain(
    request: Request, status: str, body: bytes = b"", kind: str = "text/html", *, keep: bool = False
) -> None:
    lines = [
        f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", f"Content-Type: {kind}",
        f"Connection: {'keep-alive' if keep else 'close'}",
    ]  # fmt: skip
    request.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    await request.writer.drain()
