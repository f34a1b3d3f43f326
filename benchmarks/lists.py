"""What a list of 500 guests of 100,000 costs, against aiohttp sending the same bytes ready-made.

The reader is another process; what counts is the controller's CPU time for each answer. The limit
is a bare aiohttp application in the same process and loop that sends the very same bytes. A case
asks for several pages in turn, as nobody looks at one alone.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from aiohttp import web

from aggregates.tag import Tag
from api.app import start
from benchmarks.child import Tell, child
from benchmarks.cloud import ZONE, named
from benchmarks.crowd import account_id, crowded
from engine.collector import settle
from engine.genesis import ROOT_DOMAIN
from engine.intents import SYSTEM
from engine.intents.record import CreateRecord
from sagastack.boot import Controller

ACCOUNTS, GUESTS_EACH, HOSTS = 200, 500, 200
COUNT, AT_A_TIME, ROUNDS = 300, 8, 5
PAGES = range(3, 200, 25)
Row = dict[str, Any]


def signed(cloud: Controller, keys: Any, **params: str) -> str:
    """The URL of a signed request: of a list of guests, unless a command is named."""
    query = {"command": "listVirtualMachines", "response": "json", "apiKey": keys.api_key, **params}
    text = "&".join(f"{n}={quote(v, safe='*')}" for n, v in sorted(query.items())).lower()
    digest = hmac.new(keys.secret_key.encode(), text.encode(), hashlib.sha1).digest()
    query["signature"] = base64.b64encode(digest).decode()
    return f"{cloud.endpoint}?{urlencode(query)}"


async def cost_us(reader: Tell, urls: list[str]) -> float:
    """CPU microseconds of this process for an answer, of one round."""
    before_s = time.process_time()
    told = await reader({"urls": urls, "at_a_time": AT_A_TIME, "count": COUNT})
    return (time.process_time() - before_s) / float(told["count"]) * 1e6


@asynccontextmanager
async def ready_made(bodies: list[bytes]) -> AsyncIterator[list[str]]:
    """A bare application that sends these bytes, and where it sends each."""

    async def send(request: web.Request) -> web.Response:
        body = bodies[int(request.match_info["number"])]
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_get("/ready/{number}", send)
    runner, port = await start(app, "127.0.0.1", 0)
    try:
        yield [f"http://127.0.0.1:{port}/ready/{number}" for number in range(len(bodies))]
    finally:
        await runner.cleanup()


async def fetched(url: str) -> bytes:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        body = await response.read()
        assert response.status == 200, body[:300]
        return body


async def measure() -> list[Row]:
    async with crowded(accounts=ACCOUNTS, guests_each=GUESTS_EACH, hosts=HOSTS) as cloud:
        await _tag(cloud)
        settle()
        return await _measured(cloud)


async def _tag(cloud: Controller) -> None:
    """One guest in a thousand has a tag."""
    for number in range(0, ACCOUNTS, 2):
        fields = {
            "kind": "vm", "resource_id": named(f"vm guest-{number}-0"), "key": "role",
            "value": "web", "account_id": account_id(number), "domain_id": ROOT_DOMAIN,
        }  # fmt: skip
        made = CreateRecord(kind=Tag.KIND, id=named(f"tag {number}"), fields=fields)
        await cloud.engine.decide(made, SYSTEM)


async def _measured(cloud: Controller) -> list[Row]:
    keys = await cloud.credentials()
    every = {"listall": "true", "pagesize": "500"}
    first = every | {"page": "1"}
    cases = {
        "page_of_100000": [every | {"page": str(page)} for page in PAGES],
        "by_zone": [every | {"zoneid": str(ZONE), "page": str(page)} for page in PAGES],
        "by_state": [every | {"state": "Running", "page": str(page)} for page in PAGES],
        "volumes": [every | {"command": "listVolumes", "page": str(page)} for page in PAGES],
        "of_account": [{"account": "tenant-7", "domainid": str(ROOT_DOMAIN)}],
        "by_name": [first | {"name": "guest-7-7"}],
        "by_host": [first | {"hostid": str(named("host7"))}],
        "by_tag": [first | {"tags[0].key": "role", "tags[0].value": "web"}],
        "page_of_20": [every | {"pagesize": "20", "page": str(page)} for page in PAGES],
    }
    async with child("benchmarks.list_load") as reader:
        return [
            await _row(reader, name, [signed(cloud, keys, **one) for one in params])
            for name, params in cases.items()
        ]


async def _row(reader: Tell, name: str, urls: list[str]) -> Row:
    """A list against its own bytes, by turns; the ratio is the median of those of the rounds."""
    bodies = [await fetched(url) for url in urls]
    async with ready_made(bodies) as bare:
        for _ in range(2):
            await cost_us(reader, urls)
        rounds = [(await cost_us(reader, bare), await cost_us(reader, urls)) for _ in range(ROUNDS)]
    ready_us, list_us = (statistics.median(column) for column in zip(*rounds, strict=True))
    told = next(iter(json.loads(bodies[0]).values()))
    found = next((len(rows) for rows in told.values() if isinstance(rows, list)), 0)
    return {
        "name": f"lists.{name}",
        "value": round(list_us),
        "unit": f"us CPU for {found} rows",
        "limit": round(ready_us),
        "ratio": round(statistics.median(listed / ready for ready, listed in rounds), 2),
        "note": f"{len(bodies[0]):,} bytes; of {len(urls)} such lists, asked for in turn",
    }


if __name__ == "__main__":
    for result in asyncio.run(measure()):
        print(result)
