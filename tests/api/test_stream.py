"""The log as server-sent events: resumable, scoped, and never in a writer's way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from api.stream import BUFFER_EVENTS, pour
from tests.api.conftest import Served
from tests.api.fakes import MakeDisk, make_engine, named, who
from tests.api.signing import signed

STREAM = UUID(int=5)


@dataclass
class Toy:
    """A recorded event."""

    position: int
    account: UUID | None
    topic: str = "toy.made"
    version: int = 1
    at_ms: int = 1
    user: UUID | None = None
    saga: UUID | None = None
    action: str = ""
    stream: UUID = STREAM

    @property
    def event(self) -> Any:
        one = UUID(int=1)
        return MakeDisk(one, "line\nbreak", one, one, one)


async def read(
    served: Served, as_who: str, after: str = "", last: str = ""
) -> list[dict[str, Any]]:
    served.happened[:] = [
        Toy(n, named(f"account {name}"))
        for n, name in enumerate(("ann", "bob", "ann", "sue"), start=1)
    ]
    query = signed(as_who, {"after": after} if after else {})
    headers = {"Last-Event-ID": last} if last else {}
    async with served.http.get(f"{served.url}/events?{query}", headers=headers) as answer:
        if answer.status != 200:
            return [await answer.json()]
        assert answer.content_type == "text/event-stream"
        text = await answer.text()
    frames = [
        dict(line.split(": ", 1) for line in part.split("\n")) for part in text.split("\n\n")[:-1]
    ]
    for frame in frames:
        assert frame["id"] == str(json.loads(frame["data"])["position"])
        assert frame["event"] == "toy.made"
    return [json.loads(frame["data"]) for frame in frames]


async def positions(served: Served, as_who: str, **more: str) -> list[int]:
    return [one["position"] for one in await read(served, as_who, **more)]


async def test_scope_and_resuming(served: Served) -> None:
    assert await positions(served, "root") == [1, 2, 3, 4]
    assert await positions(served, "ann") == [1, 3]
    assert await positions(served, "boss") == []
    assert await positions(served, "root", after="2") == [3, 4]
    assert await positions(served, "root", after="2", last="3") == [4]
    assert (await read(served, "ann"))[0]["event"]["name"] == "line\nbreak"


@pytest.mark.parametrize("after", ["-1", "x", "1.5"])
async def test_a_position_is_a_whole_number(served: Served, after: str) -> None:
    (body,) = await read(served, "root", after=after)
    assert body["errorresponse"]["errorcode"] == 431


async def test_nobody_and_the_unentitled_get_nothing(served: Served) -> None:
    async with served.http.get(f"{served.url}/events") as answer:
        assert answer.status == 401
    served.engine.cloud.table("api_key")[named("k root")].rules = [("listToy*", True)]
    (body,) = await read(served, "root")
    assert body["errorresponse"]["errorcode"] == 531


async def test_a_slow_reader_holds_nobody_up() -> None:
    """The feed is pulled: at most a buffer ahead of what the reader took."""
    engine = make_engine()
    pulled, gate = 0, asyncio.Event()

    async def feed() -> AsyncIterator[Any]:
        nonlocal pulled
        for position in range(1, 5000):
            pulled = position
            yield Toy(position, None)

    async def write(frame: bytes) -> None:
        await gate.wait()

    async def watch() -> None:
        await asyncio.sleep(0.05)
        assert pulled <= BUFFER_EVENTS + 2
        gate.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(watch())
        await pour(feed(), lambda: who(engine, "root"), write)
    assert pulled == 4999


async def test_a_stuck_reader_is_let_go_and_a_disabled_one_too() -> None:
    engine = make_engine()

    async def forever() -> AsyncIterator[Any]:
        yield Toy(1, None)
        await asyncio.Event().wait()

    async def never(frame: bytes) -> None:
        await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup):
        await pour(forever(), lambda: who(engine, "root"), never, stuck_s=0.02)

    written: list[bytes] = []

    async def write(frame: bytes) -> None:
        written.append(frame)

    def still() -> Any:
        return who(engine, "root") if len(written) < 3 else None

    async with asyncio.timeout(5):
        await pour(forever(), still, write, heartbeat_s=0.01)
    assert written[1:] == [b": still here\n\n"] * 2
