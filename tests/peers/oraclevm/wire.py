"""What both agents share: TLS, basic authentication, XML-RPC, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from xmlrpc.client import Fault, dumps, loads

from aiohttp import web

from tests.peers.certificate import Certificate
from tests.peers.garble import Garble

USER, PASSWORD = "oracle", "a-secret-of-the-agent"


Method = Callable[..., Awaitable[Any]]


class Line:
    """One agent's port. What it is told goes on when its client has left.

    `slow` are seconds before a method begins; the answers to methods in `lost` do not come, once
    each; `calls` are all that were heard.
    """

    def __init__(self, certificate: Certificate, find: Callable[[str], Method | None]) -> None:
        self.certificate = certificate
        self.slow: dict[str, float] = {}
        self.lost: list[str] = []
        self.calls: list[str] = []
        self.password = PASSWORD
        self.garble = Garble()
        self.port = 0
        self._find = find
        self._runner: web.AppRunner | None = None

    @asynccontextmanager
    async def serving(self, ip: str, port: int = 0) -> AsyncIterator[Line]:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_post("/RPC2", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, ip, port, ssl_context=self.certificate.server())
        await site.start()
        self.port = self._runner.addresses[0][1]
        try:
            yield self
        finally:
            self.cut()
            await self._runner.cleanup()

    def cut(self) -> None:
        """Reset every connection, as a dead switch would."""
        assert self._runner is not None and self._runner.server is not None
        for one in list(self._runner.server.connections):
            if one.transport is not None:
                one.transport.abort()

    async def _answer(self, request: web.Request) -> web.Response:
        if not self._knows(request.headers.get("Authorization", "")):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="OVS"'})
        params, method = loads((await request.read()).decode())
        name = str(params[0]) if method == "OvmDispatch" and params else str(method)
        self.calls.append(name)
        await asyncio.sleep(self.slow.get(name, 0))
        try:
            called = self._find(str(method))
            if called is None:
                raise Fault(1, f'exceptions.Exception:method "{method}" is not supported')
            answer = await called(*params)
            body = dumps((answer,), methodresponse=True, allow_none=True)
        except Fault as fault:
            body = dumps(fault, methodresponse=True)
        except TypeError as error:
            body = dumps(Fault(1, f"exceptions.TypeError:{error}"), methodresponse=True)
        if name in self.lost:
            self.lost.remove(name)
            assert request.transport is not None
            request.transport.abort()
        return web.Response(body=self.garble.of(body.encode()), content_type="text/xml")

    def _knows(self, said: str) -> bool:
        wanted = base64.b64encode(f"{USER}:{self.password}".encode()).decode()
        return said == f"Basic {wanted}"
