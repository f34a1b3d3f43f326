"""Toy sagas are registered for the length of one test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from engine.saga import BY_INTENT, SAGAS
from tests.engine import toys
from tests.engine.looking import Cloud
from tests.sagas.judge import judge
from tests.sagas.rig import Rig, new_sim, rig
from tests.sagas.seed import seed


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """What each toy step does; steps that are not in it do nothing."""
    for one in toys.TOYS:
        monkeypatch.setitem(SAGAS, one.name, one)
        monkeypatch.setitem(BY_INTENT, one.intent, one)
    toys.SCRIPT.clear()
    toys.CALLS.clear()
    yield toys.SCRIPT  # type: ignore[misc]
    toys.SCRIPT.clear()


@pytest.fixture
async def r(tmp_path: Path, script: dict[str, object]) -> AsyncIterator[Rig]:
    async with rig(tmp_path, new_sim()) as made:
        yield made
        assert (await made.history.rebuild()).digest() == made.cloud.digest()


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with rig(tmp_path, new_sim()) as r:
        await seed(r)
        yield Cloud(r)
        await judge(r)
