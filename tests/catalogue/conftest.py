"""Fixtures of the catalogue's tests."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.catalogue.controller import Controller, begun
from tests.catalogue.server import Api, serving


@pytest.fixture(scope="session")
def beginning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a cloud that has just begun. Its hashes cost time, so it is made once."""
    home = tmp_path_factory.mktemp("beginning")

    async def begin() -> None:
        async with begun(home):
            pass

    asyncio.run(begin())
    return home


@pytest.fixture
async def controller(beginning: Path, tmp_path: Path) -> AsyncIterator[Controller]:
    """A cloud of the test's own, continued from that beginning."""
    home = tmp_path / "home"
    await asyncio.to_thread(shutil.copytree, beginning, home)
    async with begun(home) as one:
        yield one


@pytest.fixture
async def api(controller: Controller) -> AsyncIterator[Api]:
    """The first admin's client of a cloud that has just begun."""
    async with serving(controller) as one:
        yield one
