"""What a list of 500 guests of 100,000 costs, against aiohttp sending the same bytes ready-made.

The reader is another process; what counts is the controller's CPU time for each answer. The limit
is a bare aiohttp application in the same process and loop that sends the very same bytes.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from aiohttp import web

from aggregates.tag import Tag
from api.app import start
from benchmarks.cloud import furnish, named
from benchmarks.crowd import account_id, crowd
from engine.collector import settle
from engine.genesis import ROOT_DOMAIN
from engine.intents import SYSTEM
from engine.intents.record import CreateRecord
from sagastack.boot import Controller, controller
from sagastack.settings import Settings

ACCOUNTS, GUESTS_EACH, HOSTS = 200, 500, 200
COUNT, AT_A_TIME, ROUNDS = 300, 8, 5
DEADLINE_S = 300.0


def signed(cloud: Controller, keys: Any, **params: str) -> str:
    """The URL of a signed request: of a list of guests, unless a command is named."""
    query = {"command": "listVirtualMachines", "response": "json", "apiKey": keys.api_key, **params}
    text = "&".join(f"{n}={quote(v, safe='*')}" for n, v in sorted(query.items())).lower()
    digest = hmac.new(keys.secret_key.encode(), text.encode(), hashlib.sha1).digest()
    query["signature"] = base64.b64encode(digest).decode()
    return f"{cloud.endpoint}?{urlencode(query)}"


async def ask(urls: list[str], **more: Any) -> dict[str, float]:
    """Let the reader ask these; what it told of it."""
    asked = {"urls": urls, "at_a_time": AT_A_TIME, **more}
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.list_load"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            told, _ = await client.communicate(json.dumps(asked).encode() + b"\n")
    finally:
        if client.returncode is None:
            client.kill()
    assert client.returncode == 0, f"the reader failed with {client.returncode}"
    answer: dict[str, float] = json.loads(told)
    return answer


async def cost_us(urls: list[str]) -> float:
    """CPU microseconds of this process for an answer, the median of some rounds."""
    costs = []
    for _ in range(ROUNDS):
        before_s = time.process_time()
        told = await ask(urls, count=COUNT)
        costs.append((time.process_time() - before_s) / told["count"] * 1e6)
    return statistics.median(costs)


async def ready_made(body: bytes) -> tuple[web.AppRunner, str]:
    """A bare application that sends these bytes."""

    async def send(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_get("/ready", send)
    runner, port = await start(app, "127.0.0.1", 0)
    return runner, f"http://127.0.0.1:{port}/ready"


async def fetched(url: str) -> bytes:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        body = await response.read()
        assert response.status == 200, body[:300]
        return body


async def measure() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        quiet = Settings(home=Path(folder), port=0, reconcile_s=3600, checkpoint_events=10**9)
        async with controller(quiet) as cloud:
            await furnish(cloud.engine, host_count=HOSTS)
            size = {"accounts": ACCOUNTS, "guests_each": GUESTS_EACH, "hosts": HOSTS}
            await crowd(cloud.engine, cloud.log, **size)
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


async def _measured(cloud: Controller) -> list[dict[str, Any]]:
    keys = await cloud.credentials()
    every = {"listall": "true", "page": "7", "pagesize": "500"}
    cases = {
        "page_of_100000": every,
        "of_account": {"account": "tenant-7", "domainid": str(ROOT_DOMAIN)},
        "by_name": every | {"page": "1", "name": "guest-7-7"},
        "by_host": every | {"page": "1", "hostid": str(named("host7"))},
        "by_tag": every | {"page": "1", "tags[0].key": "role", "tags[0].value": "web"},
        "by_state": every | {"state": "Running"},
    }
    rows = []
    for name, params in cases.items():
        url = signed(cloud, keys, **params)
        body = await fetched(url)
        runner, bare = await ready_made(body)
        await ask([url], count=AT_A_TIME)
        ready_us, list_us = await cost_us([bare]), await cost_us([url])
        await runner.cleanup()
        found = len(next(iter(json.loads(body).values())).get("virtualmachine", []))
        rows.append(
            {
                "name": f"lists.{name}",
                "value": round(list_us),
                "unit": f"us CPU for {found} rows",
                "limit": round(ready_us),
                "ratio": round(list_us / ready_us, 2),
                "note": f"{len(body):,} bytes",
            }
        )
    return rows


if __name__ == "__main__":
    for result in asyncio.run(measure()):
        print(result)
