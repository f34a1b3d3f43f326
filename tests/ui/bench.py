"""What tests of the console stand on: a small cloud that runs, and a browser's visit to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Request,
    WebError,
)

from engine.clock import SystemClock
from sagastack.boot import Controller, controller
from sagastack.client import Client
from sagastack.quickstart import FirstZone, Machine
from sagastack.settings import Settings

GUESTS = ("first", "second", "third")
WITHOUT_A_NETWORK = ("data", "blob", "about")


@dataclass
class Here:
    """A controller, its admin's signed client, and what was built by that."""

    controller: Controller
    api: Client
    username: str
    password: str
    zone_id: str
    vms: dict[str, str]
    """Ids of the guests by their names; all run."""

    @property
    def url(self) -> str:
        """The address without a path."""
        return self.controller.endpoint.removesuffix("/client/api")


@asynccontextmanager
async def cloud(home: Path) -> AsyncIterator[Here]:
    """A cloud of simulated hosts with three guests.

    It is served by a task of its own, from its beginning to its end: pytest sets a fixture up in
    one task and ends it in another, and a group of tasks belongs to the one that made it.
    """
    begun: asyncio.Future[Here] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()
    serving = asyncio.create_task(_serve(home, begun, over))
    await asyncio.wait((begun, serving), return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        await serving
    try:
        yield begun.result()
    finally:
        over.set()
        await serving


async def _serve(home: Path, begun: asyncio.Future[Here], over: asyncio.Event) -> None:
    settings = Settings(home=home, port=0, reconcile_s=3600)
    async with controller(settings) as running, aiohttp.ClientSession() as http:
        begun.set_result(await _built(running, http))
        await over.wait()


async def _built(running: Controller, http: aiohttp.ClientSession) -> Here:
    """A first zone as `quickstart` makes it on a machine that can be no host."""
    found = await running.credentials()
    assert found is not None
    api = Client(http, running.endpoint, found.api_key, found.secret_key, SystemClock())
    nothing_real = Machine(image=None, bridge="")
    first_id = await FirstZone(api, running.settings.home, nothing_real, lambda line: None).build()
    listed = await api.call("listVirtualMachines", id=first_id)
    first = listed["virtualmachine"][0]
    shape = {name: first[name] for name in ("zoneid", "templateid", "serviceofferingid")}
    made = {GUESTS[0]: first_id}
    for name in GUESTS[1:]:
        deployed = await api.job("deployVirtualMachine", name=name, **shape)
        made[name] = deployed["virtualmachine"]["id"]
    return Here(running, api, found.username, found.password, first["zoneid"], made)


@dataclass
class Visit:
    """A browser's new page, and all that went wrong in it, in the page's own words."""

    page: Page
    wrongs: list[str] = field(default_factory=list)
    has_failed: bool = False
    _excused: list[str] = field(default_factory=list)

    def excuse(self, words: str) -> None:
        """What goes wrong in these words is meant to: a refusal is an error to a browser."""
        self._excused.append(words)

    def judge(self) -> None:
        """Nothing went wrong that was not excused."""
        wrong = [one for one in self.wrongs if not any(words in one for words in self._excused)]
        assert not wrong, "\n".join(("this went wrong in the browser:", *wrong))

    def listen(self, context: BrowserContext) -> None:
        """To every page of it, also to those that a page opens."""
        context.on("weberror", self._uncaught)
        context.on("console", self._said)
        context.on("request", self._asked)

    async def settle(self) -> None:
        """Hear what has happened so far."""
        if not self.page.is_closed():
            with suppress(Error):  # It is just going elsewhere.
                await self.page.evaluate("new Promise((done) => setTimeout(done))")

    def _uncaught(self, one: WebError) -> None:
        self.wrongs.append(f"uncaught: {getattr(one.error, 'stack', '') or one.error}")

    def _said(self, one: ConsoleMessage) -> None:
        if one.type == "error":
            self.wrongs.append(f"console: {one.text} ({one.location['url']})")

    def _asked(self, one: Request) -> None:
        parts = urlsplit(one.url)
        if parts.hostname != "127.0.0.1" and parts.scheme not in WITHOUT_A_NETWORK:
            self.wrongs.append(f"asked elsewhere: {one.url}")


@asynccontextmanager
async def visiting(browser: Browser, url: str, picture: Path) -> AsyncIterator[Visit]:
    """A visitor of whom nothing is known yet. Where the test fails, a picture is kept."""
    context = await browser.new_context(
        base_url=url,
        locale="en-GB",
        timezone_id="UTC",
        viewport={"width": 1280, "height": 800},
    )
    visit = Visit(await context.new_page())
    visit.listen(context)
    try:
        yield visit
        await visit.settle()
        if not visit.has_failed:
            visit.judge()
    finally:
        if visit.has_failed:
            with suppress(Error):
                await visit.page.screenshot(path=picture, full_page=True)
                print(f"the page when it failed: {picture}")
        await context.close()
