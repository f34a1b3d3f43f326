"""A place with a second zone, and a web server on the loopback that images come from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from engine.intents import SYSTEM
from engine.intents.zone import CreateZone
from tests.tenant.world import Place, named, place

ZONE_2 = named("zone 2")


@dataclass
class Site:
    """Files by name, and how often each was asked for."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.asked.append(name)
        if name not in self.files:
            raise web.HTTPNotFound
        return web.Response(body=self.files[name])

    def offer(self, name: str, content: bytes) -> str:
        self.files[name] = content
        return f"{self.url}/{name}"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Place]:
    async with place(tmp_path) as one:
        fields = {"name": "z2", "network_type": "Advanced", "allocation_state": "Enabled"}
        fields |= {"dns1": "192.0.2.1", "internal_dns1": "192.0.2.1"}
        ask = CreateZone(id=ZONE_2, mac_space_id=named("macs 2"), fields=fields)
        await one.controller.engine.decide(ask, SYSTEM)
        yield one


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    one = Site()
    app = web.Application()
    app.router.add_get("/{name}", one.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield one
    await runner.cleanup()
