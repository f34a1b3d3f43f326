"""Browsers and scripts meet several controllers as one: over HTTP, with a database between them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from api.attempts import MOST
from api.shared_attempts import SharedAttempts
from api.shared_sessions import SharedSessions
from engine.genesis import first_credentials
from tests.catalogue.controller import begun
from tests.catalogue.server import Api, serving
from tests.peers.postgres import Cluster


class Doors:
    """Two servers of one cloud, and what its first admin signs in with."""

    def __init__(self, servers: list[Api], password: str) -> None:
        self.servers, self.password = servers, password


class Browser:
    """Cookies and a session key, for whichever server it is led to."""

    def __init__(self) -> None:
        self.http, self.key = requests.Session(), ""

    async def ask(self, server: Api, command: str, **params: Any) -> int:
        body = {"command": command, "response": "json", "sessionkey": self.key, **params}
        answer = await asyncio.to_thread(self.http.post, server.endpoint, data=body, timeout=60)
        if command == "login" and answer.status_code == 200:
            self.key = answer.json()["loginresponse"]["sessionkey"]
        assert "postgres" not in answer.text
        return answer.status_code

    async def login(self, server: Api, password: str) -> int:
        return await self.ask(server, "login", username="admin", password=password)


@pytest.fixture
async def doors(tmp_path: Path, url: str) -> AsyncIterator[Doors]:
    async with AsyncExitStack() as stack:
        controller = await stack.enter_async_context(begun(tmp_path))
        servers = []
        for _ in range(2):
            sessions = await SharedSessions.connect(url, secrets.token_bytes)
            stack.push_async_callback(sessions.disconnect)
            attempts = await SharedAttempts.connect(url)
            stack.push_async_callback(attempts.disconnect)
            server = serving(controller, sessions, attempts)
            servers.append(await stack.enter_async_context(server))
        found = await first_credentials(controller.engine.cloud, controller.vault)
        assert found is not None
        yield Doors(servers, found.password)


async def test_signed_in_here_is_signed_in_there_and_signed_out_everywhere(doors: Doors) -> None:
    one, other = doors.servers
    browser, copied = Browser(), Browser()
    assert await browser.login(one, doors.password) == 200
    assert await browser.ask(other, "listUsers") == 200
    copied.http.cookies.update(browser.http.cookies)
    copied.key = browser.key
    assert await copied.ask(one, "listUsers") == 200
    assert await browser.ask(other, "logout") == 200
    assert await copied.ask(one, "listUsers") == 401
    assert await copied.ask(other, "listUsers") == 401


async def test_wrong_passwords_count_wherever_they_are_tried(doors: Doors) -> None:
    tries = [await Browser().login(doors.servers[n % 2], "wrong") for n in range(MOST)]
    assert tries == [531] * MOST
    for server in doors.servers:
        assert await Browser().login(server, doors.password) == 531


async def test_without_the_database_scripts_go_on_and_nobody_signs_in(
    doors: Doors, postgres_cluster: Cluster
) -> None:
    one, other = doors.servers
    browser, copied = Browser(), Browser()
    assert await browser.login(one, doors.password) == 200
    assert await browser.ask(one, "listUsers") == 200
    postgres_cluster.stop("immediate")
    try:
        for server in doors.servers:
            assert (await server("listUsers"))["count"] >= 1
        assert await browser.ask(one, "listUsers") == 200, "seen here a moment ago"
        assert await browser.ask(other, "listUsers") == 503
        assert await Browser().login(one, doors.password) == 503
        copied.http.cookies.update(browser.http.cookies)
        copied.key = browser.key
        assert await browser.ask(one, "logout") == 503, "told that it has not ended everywhere"
        assert await copied.ask(one, "listUsers") == 503, "it is served no more here"
    finally:
        postgres_cluster.start()
    async with asyncio.timeout(60):
        while (told := await copied.ask(one, "listUsers")) == 503:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert told == 401, "what was to end has ended now"
    assert await copied.ask(other, "listUsers") == 401
