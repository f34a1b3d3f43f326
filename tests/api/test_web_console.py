"""The console's files as a browser gets them, and that nothing else is to be had there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from api.app import make_app, make_integration_app, start
from api.web_console import WebConsole
from sagastack.boot import UI
from tests.api.fakes import Clock, make_engine, make_gateway
from tests.api.signing import signed

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
PAGE, SCRIPT = "<!doctype html><title>ä page</title>", "export const one = 1;\n"


@dataclass
class Site:
    """The public port with a console on it, and a client that follows nothing by itself."""

    folder: Path
    url: str
    http: aiohttp.ClientSession

    async def ask(
        self, path: str, method: str = "GET", **headers: str
    ) -> tuple[int, bytes, aiohttp.ClientResponse]:
        url = f"{self.url}{path}"
        async with self.http.request(method, url, headers=headers, allow_redirects=False) as answer:
            return answer.status, await answer.read(), answer

    async def raw(self, target: str) -> tuple[int, bytes]:
        """Status and body for a target as it stands: clients make paths plain before they ask."""
        port = int(self.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body


async def no_feed(after: int, patience_s: float) -> AsyncGenerator[list[Any], None]:
    yield []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.js").write_text("a secret")
    made = tmp_path / "ui"
    (made / "parts").mkdir(parents=True)
    (made / "index.html").write_text(PAGE)
    (made / "main.js").write_text(SCRIPT)
    (made / "parts" / "list.css").write_text("p {}")
    (made / "mark.svg").write_text("<svg/>")
    (made / "words.json").write_text("{}")
    (made / "README.md").write_text("for those who write it")
    (made / ".#main.js").symlink_to("an-editor@this-machine")
    return made


@pytest.fixture
async def site(folder: Path) -> AsyncIterator[Site]:
    app = make_app(make_gateway(make_engine(), Clock()), feed=no_feed)
    WebConsole(folder).add_to(app)
    runner, port = await start(app, "127.0.0.1", 0)
    async with aiohttp.ClientSession() as http:
        yield Site(folder, f"http://127.0.0.1:{port}", http)
    await runner.cleanup()


@pytest.mark.parametrize("path", ["/", "/client"])
async def test_the_address_alone_leads_to_the_console(site: Site, path: str) -> None:
    status, _, answer = await site.ask(path)
    assert (status, answer.headers["Location"]) == (302, "/client/")


@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("", "text/html", PAGE),
        ("index.html", "text/html", PAGE),
        ("main.js", "text/javascript", SCRIPT),
        ("main.js?v=2", "text/javascript", SCRIPT),
        ("parts/list.css", "text/css", "p {}"),
        ("mark.svg", "image/svg+xml", "<svg/>"),
        ("words.json", "application/json", "{}"),
    ],
)
async def test_a_file_and_its_headers(site: Site, path: str, content_type: str, body: str) -> None:
    status, sent, answer = await site.ask(f"/client/{path}")
    assert (status, sent.decode()) == (200, body)
    told = answer.headers
    assert told["Content-Type"] == f"{content_type}; charset=utf-8"
    assert told["Content-Security-Policy"] == POLICY
    assert told["X-Content-Type-Options"] == "nosniff"
    assert told["Referrer-Policy"] == "no-referrer"
    assert told["Cache-Control"] == "no-cache"
    assert told["ETag"].startswith('"') and "Set-Cookie" not in told


async def test_head_tells_the_same_without_the_file(site: Site) -> None:
    _, body, whole = await site.ask("/client/main.js")
    status, nothing, head = await site.ask("/client/main.js", "HEAD")
    assert (status, nothing) == (200, b"")
    assert head.headers["Content-Length"] == str(len(body))
    differ = {"Date"}
    assert {name for name, value in whole.headers.items() if head.headers[name] != value} <= differ


async def test_what_the_browser_has_is_not_sent_again(site: Site) -> None:
    _, _, first = await site.ask("/client/main.js")
    tag = first.headers["ETag"]
    for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        status, body, answer = await site.ask("/client/main.js", **{"If-None-Match": known})
        assert (status, body, answer.headers["ETag"]) == (304, b"", tag)
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["Content-Security-Policy"] == POLICY
    for other in ('"other"', "nonsense"):
        status, body, _ = await site.ask("/client/main.js", **{"If-None-Match": other})
        assert (status, body.decode()) == (200, SCRIPT)
    _, _, page = await site.ask("/client/")
    assert page.headers["ETag"] != tag


async def test_files_are_those_of_the_start(site: Site) -> None:
    (site.folder / "main.js").unlink()
    (site.folder / "late.js").write_text("late")
    assert (await site.ask("/client/main.js"))[:2] == (200, SCRIPT.encode())
    assert (await site.ask("/client/late.js"))[0] == 404


@pytest.mark.parametrize(
    "target",
    [
        "/client/../secret.js",
        "/client/%2e%2e/secret.js",
        "/client/..%2fsecret.js",
        "/client/%2e%2e%2fsecret.js",
        "/client/..%5csecret.js",
        "/client/parts/../../secret.js",
        "/client/%252e%252e/secret.js",
        "/client//etc/passwd",
        "/client/main.js%00.html",
        "/client/main.js/",
        "/client/MAIN.JS",
        "/client/README.md",
        "/client/.%23main.js",
        "/client/parts/",
        "/client/parts",
        "/client/nothing.js",
        "//client/main.js",
        "/secret.js",
        "/index.html",
    ],
)
async def test_nothing_else_is_to_be_had(site: Site, target: str) -> None:
    status, body = await site.raw(target)
    assert status == 404, body
    assert b"secret" not in body and b"export" not in body


async def test_nothing_is_written_there(site: Site) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert (await site.ask("/client/main.js", method))[0] == 405


async def test_the_api_is_where_it_was(site: Site) -> None:
    query = signed("root", {"command": "listToyZones", "response": "json"})
    for path in ("/client/api", "/client/api/"):
        status, body, answer = await site.ask(f"{path}?{query}")
        assert status == 200 and b"listtoyzonesresponse" in body
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Content-Security-Policy" not in answer.headers
    assert (await site.ask("/client/events"))[0] == 401
    assert (await site.ask("/client/api?command=listToyZones"))[0] == 401


async def test_a_folder_that_is_not_there_is_told_in_words(tmp_path: Path) -> None:
    app = make_app(make_gateway(make_engine(), Clock()), feed=no_feed)
    WebConsole(tmp_path / "ui").add_to(app)
    runner, port = await start(app, "127.0.0.1", 0)
    async with aiohttp.ClientSession() as http:
        status, body, _ = await Site(tmp_path, f"http://127.0.0.1:{port}", http).ask("/client/")
    await runner.cleanup()
    assert status == 404
    assert b"not installed here" in body and b"there is no index.html in ui/" in body


async def test_the_port_for_tools_has_no_console() -> None:
    app = make_integration_app(make_gateway(make_engine(), Clock()))
    runner, port = await start(app, "127.0.0.1", 0)
    async with aiohttp.ClientSession() as http:
        status, _, _ = await Site(Path(), f"http://127.0.0.1:{port}", http).ask("/client/")
    await runner.cleanup()
    assert status == 404


def test_a_controller_finds_its_own_files() -> None:
    assert UI.is_absolute() and (UI / "index.html").is_file()
