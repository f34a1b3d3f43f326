"""The web console's files: what is sent with them, and that nothing else can be asked for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from api.app import make_app, start
from api.web_console import WebConsole
from tests.api.fakes import make_engine, make_gateway


async def no_feed(after: int, patience_s: float) -> AsyncGenerator[list[Any], None]:
    yield []


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    app = make_app(make_gateway(make_engine()), feed=no_feed)
    WebConsole(folder).add_to(app)
    runner, port = await start(app, "127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession() as http:
            yield http, f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "ui"
    made.mkdir()
    (made / "index.html").write_text("<title>ours</title>")
    (made / "main.js").write_text("// ours")
    (made / "notes.txt").write_text("not for strangers")
    (tmp_path / "secret.js").write_text("not for strangers")
    return made


async def test_a_file_is_sent_with_a_policy_and_known_again(folder: Path) -> None:
    async with served(folder) as (http, root):
        async with http.get(f"{root}/client/main.js") as answer:
            assert await answer.text() == "// ours"
            assert answer.content_type == "text/javascript"
            assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
            assert "unsafe" not in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            tag = {"If-None-Match": answer.headers["ETag"]}
        async with http.get(f"{root}/client/main.js", headers=tag) as again:
            assert (again.status, await again.read()) == (304, b"")
        async with http.get(f"{root}/client/", headers=tag) as other:
            assert (other.status, await other.text()) == (200, "<title>ours</title>")
        async with http.head(f"{root}/client/main.js") as head:
            assert (head.status, head.headers["Content-Length"]) == (200, "7")


@pytest.mark.parametrize("path", ["/", "/client"])
async def test_who_names_no_page_is_led_to_the_first(folder: Path, path: str) -> None:
    async with served(folder) as (http, root), http.get(root + path) as answer:
        assert str(answer.url) == f"{root}/client/"
        assert await answer.text() == "<title>ours</title>"


@pytest.mark.parametrize(
    "path", ["notes.txt", "../secret.js", "%2e%2e/secret.js", "..%2fsecret.js", "main.js/", "x.js"]
)
async def test_nothing_else_can_be_asked_for(folder: Path, path: str) -> None:
    async with served(folder) as (http, root):
        async with http.get(URL(f"{root}/client/{path}", encoded=True)) as answer:
            assert answer.status == 404
            assert "strangers" not in await answer.text()


async def test_the_api_is_where_it_was(folder: Path) -> None:
    async with served(folder) as (http, root):
        for path in ("/client/api?command=listZones", "/client/events"):
            async with http.get(root + path) as answer:
                assert answer.status == 401


async def test_a_folder_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    async with served(tmp_path / "none") as (http, root):
        async with http.get(f"{root}/client/") as answer:
            assert answer.status == 404
            assert "folder ui/" in await answer.text()
