"""A controller's events reach a consumer each once and in order, through restarts of both."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from aggregates.base import EVENTS
from consumers import BadSource, Event, FileCheckpoint, NotAllowed, SourceGone, Stream, consume
from engine.intents import SYSTEM
from engine.intents.record import CreateRecord
from sagastack.boot import Controller, controller
from sagastack.settings import Settings

WAIT_S = 120.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def serving(home: Path, port: int) -> AsyncIterator[Controller]:
    async with controller(Settings(home=home, port=port, reconcile_s=3600)) as running:
        yield running


async def categories(running: Controller, *names: str) -> None:
    for name in names:
        ask = CreateRecord(kind="os_category", id=uuid4(), fields={"name": name})
        await running.engine.decide(ask, SYSTEM)


async def follow(running: Controller, **options: Any) -> Stream:
    found = await running.credentials()
    assert found is not None
    url = f"http://127.0.0.1:{running.port}/events"
    return consume(url, key=found.api_key, secret=found.secret_key, **options)


async def until(stream: Stream, name: str) -> list[Event]:
    """What is told up to the creation of the category of this name."""
    told = []
    async with asyncio.timeout(WAIT_S):
        async for event in stream:
            told.append(event)
            if event.topic == "os_category.created" and event.data.name == name:
                return told
    raise AssertionError("the stream ended")


async def test_everything_is_told_in_order_with_types(tmp_path: Path) -> None:
    async with serving(tmp_path, 0) as running:
        await categories(running, "one", "last")
        stored = [one async for batch in running.log.read() for one in batch]
        async with await follow(running) as stream:
            told = await until(stream, "last")
        stored = stored[: len(told)]
        assert [one.position for one in told] == [one.position for one in stored]
        for event, kept in zip(told, stored, strict=True):
            assert event.data == kept.event
            assert type(event.data) is EVENTS[event.topic]
            assert event.id == f"{kept.stream}/{kept.version}"
            assert (event.user, event.account, event.saga) == (kept.user, kept.account, kept.saga)
            assert event.at.timestamp() * 1000 == pytest.approx(kept.at_ms)


async def test_a_stream_goes_on_when_the_controller_comes_back(tmp_path: Path) -> None:
    port = free_port()
    async with serving(tmp_path, port) as running:
        await categories(running, "before")
        stream = await follow(running, topics=["os_category.*"])
        events = aiter(stream)
        told = [await anext(events)]
        while told[-1].data.name != "before":
            told.append(await anext(events))
        after = asyncio.create_task(anext(events))  # type: ignore[arg-type]
    await asyncio.sleep(0.5)
    assert not after.done()
    async with serving(tmp_path, port) as running:
        await categories(running, "behind")
        async with asyncio.timeout(WAIT_S):
            event = await after
        await stream.close()
    assert event.data.name == "behind"
    assert event.position > told[-1].position


async def test_a_consumer_that_comes_again_has_what_it_did_not_commit(tmp_path: Path) -> None:
    place = FileCheckpoint(tmp_path / "place")
    async with serving(tmp_path / "home", 0) as running:
        await categories(running, "a", "b", "c", "d")
        options: Any = {"topics": ["os_category.created"], "checkpoint": place}
        async with await follow(running, **options) as stream:
            async for event in stream:
                if event.data.name == "b":
                    assert await stream.commit()
                if event.data.name == "c":
                    break
        async with await follow(running, **options) as stream:
            told = await until(stream, "d")
        assert [one.data.name for one in told] == ["c", "d"]


async def test_what_cannot_help_is_said_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path, 0) as running:
        url = f"http://127.0.0.1:{running.port}/events"
        for key in ("", "nobody"):
            with pytest.raises(NotAllowed, match="401"):
                async for _ in consume(url, key=key, secret="x"):
                    raise AssertionError("it told something")
    for source in ("kafka://", "ftp://a/b", "kafka://a:1?grup=x", "kafka://a:1?group=x"):
        with pytest.raises(BadSource):
            consume(source, after=3)


async def test_a_source_that_stays_away_is_said_to_be_gone() -> None:
    with pytest.raises(SourceGone, match="nothing is lost"):
        async for _ in consume(f"http://127.0.0.1:{free_port()}/events", patience_s=0.5):
            raise AssertionError("it told something")
