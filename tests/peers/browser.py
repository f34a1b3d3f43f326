"""Debian's Chromium, driven by Playwright, as people who open the console have one.

A page that throws, complains on its console or asks anybody but this machine fails its test.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from playwright.async_api import ConsoleMessage, Page, Request, async_playwright

PROGRAM = "chromium"
# Nothing of its own goes out, and a machine without a screen, or where all is root's, will do.
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
    "--disable-sync",
)
PATIENCE_MS = 30_000


def program() -> str:
    found = shutil.which(PROGRAM)
    if found is None:
        lacking = f"{PROGRAM} is missing: as root, apt-get install {PROGRAM}"
        if os.environ.get("SAGASTACK_REQUIRE_PEERS") == "1":
            pytest.fail(lacking)
        pytest.skip(lacking)
    return found


@asynccontextmanager
async def browser_page() -> AsyncIterator[Page]:
    """A page of a browser that knows nobody yet."""
    wrong: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        # A refusal of the API's is an answer; browsers write each of those down themselves.
        if message.type == "error" and "Failed to load resource" not in message.text:
            wrong.append(message.text)

    def asked(request: Request) -> None:
        if urlsplit(request.url).hostname not in ("127.0.0.1", "localhost", None):
            wrong.append(f"it asks {request.url}")

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program(), args=FLAGS)
        try:
            page = await browser.new_page(viewport={"width": 1400, "height": 900})
            page.set_default_timeout(PATIENCE_MS)
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("console", heard)
            page.on("request", asked)
            yield page
        finally:
            await browser.close()
    assert not wrong, wrong
