"""Fixtures of the tenant's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.tenant.world import Place, place


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Place]:
    """A place whose users may expunge and recover what is theirs."""
    async with place(tmp_path) as one:
        name = "allow.user.expunge.recover.vm"
        await one.admin("updateConfiguration", name=name, value="true")
        yield one
