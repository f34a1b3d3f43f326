"""A controller with a simulated data centre that is monitored in full, by HTTP."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.app import make_app, start
from engine.clock import SystemClock
from sagastack.monitor import cluster
from sagastack.monitor.monitor import Monitor
from tests.tenant.world import Place, place


@dataclass
class Relay:
    """What the relay would tell of itself."""

    running: bool = True
    connected: bool = True
    position: int = 40
    lag: int = 2
    events: int = 40
    batches: int = 4
    errors: int = 1
    fenced: int = 0


class Duties:
    def token(self, name: str) -> int | None:
        return 3 if name == "relay" else None


@dataclass
class Watched:
    """The place, its monitor, and the door at which it is asked."""

    place: Place
    monitor: Monitor
    door: str

    async def get(self, path: str) -> tuple[int, str]:
        return await asyncio.to_thread(fetched, f"{self.door}{path}")

    async def ready(self) -> tuple[int, dict[str, Any]]:
        status, text = await self.get("/readyz")
        return status, json.loads(text)

    async def values(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """Every sample by its name and labels, read as Prometheus reads it."""
        _, text = await self.get("/metrics")
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


def fetched(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def watched_in_full(here: Place) -> Monitor:
    """A monitor with all that any part of a cluster adds to it."""
    running = here.controller
    monitor = Monitor(running.cloud, running.log, SystemClock())
    monitor.add(cluster.relay(Relay()))
    monitor.add(cluster.leases(Duties()))
    monitor.add(cluster.waiting(lambda: 0, lambda: 0))
    return monitor


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    async with place(tmp_path) as here:
        running, monitor = here.controller, watched_in_full(here)
        app = make_app(running.gateway, feed=running.feed.follow, metrics=monitor.metrics)
        monitor.add_to(app, lambda: running.gateway.closing)
        server, port = await start(app, "127.0.0.1", 0)
        try:
            async with asyncio.TaskGroup() as group:
                task = group.create_task(monitor.watch())
                yield Watched(here, monitor, f"http://127.0.0.1:{port}")
                task.cancel()
        finally:
            await server.cleanup()
