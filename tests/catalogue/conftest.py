"""Fixtures of the catalogue's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.catalogue.controller import Controller, begun
from tests.catalogue.server import Api, serving


@pytest.fixture
async def controller(tmp_path: Path) -> AsyncIterator[Controller]:
    async with begun(tmp_path) as one:
        yield one


@pytest.fixture
async def api(controller: Controller) -> AsyncIterator[Api]:
    """The first admin's client of a cloud that has just begun."""
    async with serving(controller) as one:
        yield one
