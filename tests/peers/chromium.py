"""Debian's own Chromium, driven by Playwright: a browser as people have it, and never a download.

It has no way out: every name but this machine's own is unknown to it, whatever a page asks for.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, async_playwright

OPTIONS = (
    "--no-sandbox",  # It runs as root where tests do, and sees our own pages alone.
    "--disable-gpu",
    "--disable-dev-shm-usage",  # Where /dev/shm is small, a page would die of it.
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def program() -> str:
    """The browser's path; without it a test is skipped, or fails if required."""
    found = shutil.which("chromium")
    if found is None:
        message = "chromium is missing: apt-get install chromium"
        if os.environ.get("SAGASTACK_REQUIRE_PEERS") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return found


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser with a folder of its own, without a window; it ends with the block."""
    path = program()
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=path, args=OPTIONS, headless=True)
        try:
            yield browser
        finally:
            await browser.close()
