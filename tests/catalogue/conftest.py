"""Fixtures of the catalogue's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.catalogue.controller import Controller, begun


@pytest.fixture
async def controller(tmp_path: Path) -> AsyncIterator[Controller]:
    async with begun(tmp_path) as one:
        yield one
