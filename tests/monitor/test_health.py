"""Readiness: behind is not ready, degraded is."""

from __future__ import annotations

import asyncio
import json

import pytest
from cs import CloudStackApiException

from engine.log import LogUnavailable
from sagastack.monitor import health
from tests.monitor.conftest import Watched, fetched


async def test_a_controller_that_serves_is_ready(watched: Watched) -> None:
    status, body = await watched.ready()
    position = watched.place.controller.cloud.position
    assert (status, body) == (200, {"status": "ready", "position": position, "lag_events": 0})


async def test_without_its_database_it_is_degraded_and_stays_ready(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone() -> int:
        raise LogUnavailable("the store is gone: start it")

    monkeypatch.setattr(watched.place.controller.log, "position", gone)
    status, body = await watched.ready()
    assert (status, body["status"]) == (200, "degraded")
    assert body["wrong"] == {"database": "the store is gone: start it"}


async def test_far_behind_it_is_not_ready(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = watched.place.controller.cloud.position + health.LAG_EVENTS_MAX + 1

    async def far() -> int:
        return end

    monkeypatch.setattr(watched.place.controller.log, "position", far)
    status, body = await watched.ready()
    assert (status, body["status"], body["lag_events"]) == (503, "behind", 5_001)


async def test_a_part_that_is_not_well_is_named(watched: Watched) -> None:
    said = "the relay: no broker answers"
    watched.monitor.depends("kafka", lambda: said)
    status, body = await watched.ready()
    assert (status, body["status"], body["wrong"]) == (200, "degraded", {"kafka": said})


async def test_one_that_closes_is_not_ready(watched: Watched) -> None:
    gateway = watched.place.controller.gateway
    gateway.closing = True
    try:
        status, body = await watched.ready()
        assert (status, body["status"]) == (503, "closing")
    finally:
        gateway.closing = False


async def test_one_whose_log_takes_nothing_until_a_restart_says_so_to_who_restarts(
    watched: Watched,
) -> None:
    """A fold that failed: reads would show the past for ever, and all changes be refused."""
    here = watched.place.controller
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)

    def wrong(batch: object) -> None:
        raise RuntimeError("a bug in a projection")

    alive = f"http://127.0.0.1:{here.port}/healthz"
    assert (await asyncio.to_thread(fetched, alive))[0] == 200
    here.log.listen(wrong)
    with pytest.raises(CloudStackApiException):
        await watched.place.admin("createDomain", name="last")
    status, body = await watched.ready()
    assert (status, body["status"]) == (503, "failed")
    assert "restart the controller" in body["wrong"]["log"]
    status, text = await asyncio.to_thread(fetched, alive)
    assert (status, json.loads(text)["wrong"]) == (503, body["wrong"]["log"])
