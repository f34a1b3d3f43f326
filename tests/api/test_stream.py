"""The log as server-sent events: resumable, scoped, and never in a writer's way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from api.stream import Frames, pour
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
    served.engine.cloud.position = 3
    assert await positions(served, "root", after="now") == [4]
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
    """The feed is pulled: nothing is taken from it before the reader took what came before."""
    engine = make_engine()
    pulled, gate = 0, asyncio.Event()
    written: list[bytes] = []

    async def feed() -> AsyncIterator[Any]:
        nonlocal pulled
        for position in range(1, 5000, 2):
            pulled = position + 1
            yield [Toy(position, None), Toy(position + 1, None)]

    async def write(frame: bytes) -> None:
        await gate.wait()
        written.append(frame)

    async def watch() -> None:
        await asyncio.sleep(0.05)
        assert pulled == 2
        gate.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(watch())
        await pour(feed(), lambda: who(engine, "root"), write, Frames())
    assert b"".join(written).count(b"\nevent: ") == pulled == 5000


async def test_a_stuck_reader_is_let_go_and_a_disabled_one_too() -> None:
    engine = make_engine()

    async def slowly() -> AsyncIterator[Any]:
        yield [Toy(1, None)]
        while True:
            yield []

    async def never(frame: bytes) -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await pour(slowly(), lambda: who(engine, "root"), never, Frames(), stuck_s=0.02)

    written: list[bytes] = []

    async def write(frame: bytes) -> None:
        written.append(frame)

    def still() -> Any:
        return who(engine, "root") if len(written) < 3 else None

    async with asyncio.timeout(60):
        await pour(slowly(), still, write, Frames())
    assert written[1:] == [b": still here\n\n"] * 2


async def test_who_may_see_nothing_is_still_told_that_the_line_is_open() -> None:
    """What others did is no sign of life to a reader who is shown none of it."""
    engine, written = make_engine(), list[bytes]()

    async def busy() -> AsyncIterator[Any]:
        for position in range(1, 4):
            await asyncio.sleep(0.01)
            yield [Toy(position, named("account bob"))]

    async def write(frame: bytes) -> None:
        written.append(frame)

    ann = who(engine, "ann")
    await pour(busy(), lambda: ann, write, Frames())
    assert written == []
    await pour(busy(), lambda: ann, write, Frames(), heartbeat_s=0.001)
    assert written == [b": still here\n\n"] * 3


def test_a_frame_is_made_once_and_never_another_events() -> None:
    frames, one, other = Frames(), Toy(1, None), Toy(1, None, topic="toy.lost")
    assert frames.of(one) is frames.of(one)
    assert b"toy.lost" in frames.of(other)


def test_a_batch_is_made_once_for_those_who_see_all() -> None:
    batch = [Toy(1, named("account ann")), Toy(2, None)]
    engine = make_engine()
    frames, root, ann = Frames(), who(engine, "root"), who(engine, "ann")
    whole = frames.told(root, batch)
    assert whole == frames.of(batch[0]) + frames.of(batch[1])
    assert frames.told(root, list(batch)) is whole
    assert frames.told(ann, batch) == frames.of(batch[0])
    assert frames.told(root, ()) == b""
    others = [Toy(1, None, topic="toy.other"), batch[1]]
    assert b"toy.other" in frames.told(root, others), "another log's events have those positions"
