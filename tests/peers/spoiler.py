"""A proxy in front of a peer that speaks HTTPS, with its very certificate, which spoils answers."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from tests.peers.garble import Garble

HOP = ("Content-Length", "Content-Encoding", "Transfer-Encoding", "Connection", "Host")


@asynccontextmanager
async def spoiling(
    port: int, path: str, cert: Path, key: Path
) -> AsyncIterator[tuple[int, Garble]]:
    """What is asked of `path` there may come back spoiled; says where to ask instead."""
    garble = Garble()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def carry(request: web.Request) -> web.Response:
        url = f"https://127.0.0.1:{port}{request.raw_path}"
        headers = {name: value for name, value in request.headers.items() if name not in HOP}
        body = await request.read()
        async with http.request(request.method, url, data=body, headers=headers) as answer:
            said = await answer.read()
            told = [(name, value) for name, value in answer.headers.items() if name not in HOP]
        spoiled = garble.of(said) if request.path == path else said
        return web.Response(status=answer.status, body=spoiled, headers=told)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", carry)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
            await site.start()
            yield runner.addresses[0][1], garble
        finally:
            await runner.cleanup()
