"""A place whose webhooks may reach this machine, and what delivers to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.cluster.duties import Alone
from engine.tasks import Tasks
from engine.webhooks import deliver_webhooks
from sagastack.boot import Controller
from tests.tenant.world import Place, place
from tests.webhooks.endpoint import Endpoint, endpoint


class Hurried:
    """A clock that keeps true time, and waits a hundredth of what it is asked to."""

    def __init__(self, running: Controller) -> None:
        self._clock = running.engine._clock

    def now_ms(self) -> int:
        return self._clock.now_ms()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds / 100)


@asynccontextmanager
async def delivering(running: Controller) -> AsyncIterator[None]:
    """What a controller runs while it holds the lease, from its start to its sudden end."""
    async with Tasks() as tasks:
        deliver_webhooks(
            tasks, Alone(), running.engine, running.vault, running.feed, Hurried(running)
        )
        yield


@pytest.fixture
async def wired(tmp_path: Path) -> AsyncIterator[Place]:
    """A controller that delivers by itself, in true time."""
    async with place(tmp_path) as one:
        setting = {"name": "webhook.allowed.internal.sites", "value": "127.0.0.1"}
        await one.admin("updateConfiguration", **setting)
        yield one


@pytest.fixture
async def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    """One that does not: tests begin and end what delivers."""
    monkeypatch.setattr("sagastack.boot.deliver_webhooks", lambda *_: None)
    async with place(tmp_path) as one:
        setting = {"name": "webhook.allowed.internal.sites", "value": "127.0.0.1"}
        await one.admin("updateConfiguration", **setting)
        yield one


@pytest.fixture
async def hook() -> AsyncIterator[Endpoint]:
    async with endpoint() as one:
        yield one
