"""A reader of `/events`, as any client of server-sent events would be, signed like a command."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.api.signing import sign
from tests.e2e.server import Api

READ_S = 60.0


@dataclass(frozen=True, slots=True)
class Told:
    """One event of the stream."""

    position: int
    topic: str
    data: dict[str, Any]


async def told(
    api: Api, *, after: int | None = None, last_id: int | None = None
) -> AsyncIterator[Told]:
    """What the server tells this client, for as long as it is listened to."""
    query = {"apiKey": api.key} | ({} if after is None else {"after": str(after)})
    query["signature"] = sign(query, api.secret)
    headers = {} if last_id is None else {"Last-Event-ID": str(last_id)}
    url = api.endpoint.removesuffix("/client/api") + "/events"
    timeout = aiohttp.ClientTimeout(total=READ_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        async with session.get(url, params=query, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            assert answer.content_type == "text/event-stream"
            frame: dict[str, str] = {}
            async for raw in answer.content:
                line = raw.decode().rstrip("\n")
                if line:
                    name, _, value = line.partition(": ")
                    frame[name] = value
                elif "id" in frame:
                    yield Told(int(frame["id"]), frame["event"], json.loads(frame["data"]))
                    frame = {}


async def until(api: Api, topic: str, stream: str, **start: int) -> list[Told]:
    """Everything up to the first event with this topic about this thing."""
    heard: list[Told] = []
    async with asyncio.timeout(READ_S):
        async for one in told(api, **start):
            heard.append(one)
            if (one.topic, one.data["id"]) == (topic, stream):
                return heard
    raise AssertionError(f"the stream ended without {topic}; it told {heard}")
