"""Fixtures of the tests of rules: the tenants' place, with public addresses in its zone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.rules.world import add_public
from tests.tenant.world import Place, place


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Place]:
    async with place(tmp_path) as one:
        await add_public(one.controller)
        yield one
