"""A served cloud of toys: real sockets on loopback, the real application, a fake engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

import api.commands.meta
import api.commands.session  # noqa: F401
from api.app import make_app, make_integration_app, start
from api.dispatch import Gateway
from tests.api.fakes import Clock, FakeEngine, make_engine, make_gateway
from tests.api.signing import signed


@dataclass
class Served:
    """A running server, and a browser that talks to it."""

    engine: FakeEngine
    gateway: Gateway
    clock: Clock
    url: str
    local_url: str
    http: aiohttp.ClientSession
    happened: list[Any]

    async def get(self, as_who: str, command: str, **params: str) -> tuple[int, dict[str, Any]]:
        """One signed request; gives the status and what is under the envelope."""
        query = signed(as_who, {"command": command, "response": "json", **params})
        async with self.http.get(f"{self.url}/client/api?{query}") as answer:
            body = await answer.json()
            assert len(body) == 1, body
            return answer.status, next(iter(body.values()))


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """The public and the integration port, for one test."""
    engine, clock = make_engine(), Clock()
    gateway = make_gateway(engine, clock)
    happened: list[Any] = []

    async def feed(after: int, patience_s: float) -> AsyncGenerator[list[Any], None]:
        yield [one for one in happened if one.position > after]

    public, port = await start(
        make_app(gateway, feed=feed, metrics=lambda: "up 1\n"), "127.0.0.1", 0
    )
    local, local_port = await start(make_integration_app(gateway), "127.0.0.1", 0)
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as http:
        yield Served(
            engine,
            gateway,
            clock,
            f"http://127.0.0.1:{port}",
            f"http://127.0.0.1:{local_port}",
            http,
            happened,
        )
    await public.cleanup()
    await local.cleanup()
