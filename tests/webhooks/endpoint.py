"""An endpoint of somebody's own: it keeps what it was told and answers as a test wants it to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

WAIT_S = 120.0


@dataclass
class Endpoint:
    """`answer(number)` gives the status of the n-th request, from 1."""

    port: int = 0
    answer: Callable[[int], int] = lambda number: 200
    told: list[tuple[dict[str, str], str]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.told]

    async def take(self, request: web.Request) -> web.Response:
        self.told.append((dict(request.headers), await request.text()))
        number = len(self.told)
        self.changed.set()
        await self.gate.wait()
        status = self.answer(number)
        headers = {"Location": f"http://127.0.0.1:{self.port}/elsewhere"} if status == 302 else {}
        return web.Response(status=status, text=f"answer {number}", headers=headers)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds of what was told."""
        async with asyncio.timeout(WAIT_S):
            while not holds():
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def endpoint() -> AsyncIterator[Endpoint]:
    """One that takes everything at once, until a test says otherwise."""
    made = Endpoint()
    made.gate.set()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.take)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        made.gate.set()
        await runner.cleanup()
