"""Fixtures of the console's tests: `here` is a cloud, `visit` and its `page` are a look at it.

All of a module's tests share a loop, a cloud and a browser, and each has a visit of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.peers.chromium import chromium
from tests.ui.bench import Here, Visit, cloud, visiting

PATIENCE_MS = 30_000  # Things come in a moment; a busy machine only makes it a longer one.
FOLDER = Path(__file__).parent


def pytest_configure() -> None:
    expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser lives on its module's loop, so the tests that have one do as well."""
    for item in items:
        if item.path.parent == FOLDER and "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """A test has failed if anything went wrong in its pages, whatever it looked at itself."""
    visit = pyfuncitem.funcargs.get("visit")
    if not isinstance(visit, Visit):
        return (yield)
    try:
        result = yield
        visit.judge()
    except BaseException as error:
        visit.has_failed = True
        error.add_note("\n".join(("in the browser:", *visit.wrongs)))
        raise
    return result


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as one:
        yield one


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Here]:
    """The cloud that a module's tests share. Without a browser there is no use for it."""
    async with cloud(tmp_path_factory.mktemp("ui") / "home") as one:
        yield one


@pytest_asyncio.fixture(loop_scope="module")
async def visit(browser: Browser, here: Here, tmp_path: Path) -> AsyncIterator[Visit]:
    async with visiting(browser, here.url, tmp_path / "page.png") as one:
        yield one


@pytest.fixture
def page(visit: Visit) -> Page:
    return visit.page
