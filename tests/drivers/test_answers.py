"""What a service answers is read whole, unless it has no end."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from drivers.kit.answers import MOST_BYTES, NoAnswer, whole

PIECE = bytes(64 * 1024)


async def endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(PIECE)


async def test_an_answer_without_end_is_given_up() -> None:
    """A controller's memory is everybody's: no host takes it all."""
    app = web.Application()
    app.router.add_get("/", endless)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        async with asyncio.timeout(20), aiohttp.ClientSession() as http, http.get(url) as answer:
            with pytest.raises(NoAnswer, match=f"more than {2**20} bytes"):
                await whole(answer, 2**20)
            assert answer.closed
    finally:
        await runner.cleanup()
    assert MOST_BYTES == 256 * 1024**2
