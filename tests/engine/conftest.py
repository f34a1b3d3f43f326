"""Toy sagas are registered for the length of one test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.saga import BY_INTENT, SAGAS
from tests.engine import toys


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
