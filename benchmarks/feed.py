"""How late a thousand readers of the event stream hear of what was decided, each of every event.

Guests are deployed at a steady rate; the readers are another process on the same machine. The
limit is a bare aiohttp application that sends each of as many readers the same bytes ready-made:
what is compared is the controller's CPU time for one event at one reader, less that of a
controller that deploys and has no readers.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from api.app import start
from api.stream import frame
from benchmarks.cloud import BY, deploy, furnish
from benchmarks.lists import signed
from engine.collector import settle
from sagastack.boot import Controller, controller
from sagastack.settings import Settings

READERS, SHORT_READERS = 1_000, 300
DEPLOYS_PER_S, SECONDS, SHORT_SECONDS = 5, 10.0, 2.0
HOSTS = 20
DEADLINE_S = 120.0
Row = dict[str, Any]


@asynccontextmanager
async def readers(url: str, count: int) -> AsyncIterator[Callable[[int], Awaitable[Row]]]:
    """So many readers that are connected; call what this gives with the last position to read."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.subscribers"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdin is not None and child.stdout is not None
    stdin, stdout = child.stdin, child.stdout

    async def until(position: int) -> Row:
        stdin.write(f"{position}\n".encode())
        async with asyncio.timeout(DEADLINE_S):
            told: Row = json.loads(await stdout.readline())
        return told

    try:
        stdin.write(json.dumps({"url": url, "readers": count}).encode() + b"\n")
        async with asyncio.timeout(DEADLINE_S):
            assert await stdout.readline() == b"ready\n", "the readers did not come up"
        yield until
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


def stream_url(cloud: Controller, keys: Any) -> str:
    """The signed address of all that comes from now on."""
    query = urlsplit(signed(cloud, keys, command="", after=str(cloud.cloud.position))).query
    return f"{cloud.endpoint.removesuffix('/client/api')}/events?{query}"


async def deploy_steadily(cloud: Controller, seconds: float, label: str) -> float:
    """Deploy at the rate, whatever has become of those before; the CPU seconds of it all."""
    cpu_s, began = time.process_time(), time.perf_counter()
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        for number in range(int(seconds * DEPLOYS_PER_S)):
            wait_s = began + number / DEPLOYS_PER_S - time.perf_counter()
            await asyncio.sleep(max(0.0, wait_s))
            group.create_task(cloud.engine.perform(deploy(f"{label}-{number}"), BY))
    return time.process_time() - cpu_s


async def ready_made(cloud: Controller, after: int, count: int, commits: int) -> float:
    """CPU seconds for a bare application to send what lies behind `after` to so many readers."""
    behind = [one async for batch in cloud.log.read(after) for one in batch]
    size = -(-len(behind) // commits)
    chunks = [
        b"".join(frame(one) for one in behind[at : at + size]) for at in range(0, len(behind), size)
    ]
    streams: list[web.StreamResponse] = []

    async def serve(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b": hello\n\n")
        streams.append(response)
        await asyncio.Event().wait()
        return response

    app = web.Application()
    app.router.add_get("/events", serve)
    runner, port = await start(app, "127.0.0.1", 0)
    try:
        async with readers(f"http://127.0.0.1:{port}/events?", count) as until:
            cpu_s = time.process_time()
            for chunk in chunks:
                for stream in streams:
                    await stream.write(chunk)
                await asyncio.sleep(0)
            cpu_s = time.process_time() - cpu_s
            await until(behind[-1].position)
        return cpu_s
    finally:
        await runner.shutdown()
        await runner.cleanup()


async def measured(count: int, seconds: float) -> list[Row]:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        quiet = Settings(home=Path(folder), port=0, reconcile_s=3600, checkpoint_events=10**9)
        async with controller(quiet) as cloud:
            await furnish(cloud.engine, host_count=HOSTS)
            settle()
            keys = await cloud.credentials()
            alone_s = await deploy_steadily(cloud, seconds, "alone")
            after, batches = cloud.cloud.position, cloud.log.stats.batches
            async with readers(stream_url(cloud, keys), count) as until:
                cpu_s = await deploy_steadily(cloud, seconds, "told")
                cpu_s -= alone_s
                told = await until(cloud.cloud.position)
            events = cloud.cloud.position - after
            bare_s = await ready_made(cloud, after, count, cloud.log.stats.batches - batches)
    assert told["fewest"] >= events, f"a reader heard {told['fewest']} of {events} events"
    return _rows(count, told, cpu_s, bare_s)


def _rows(count: int, told: Row, cpu_s: float, bare_s: float) -> list[Row]:
    deliveries = told["deliveries"]
    cost_us, bare_us = (1e6 * one / deliveries for one in (cpu_s, bare_s))
    note = (
        f"{deliveries:,} deliveries; half within {told['p50_ms']:.0f} ms, all within "
        f"{told['max_ms']:.0f} ms; a reader's own cost is {told['cpu_us']:.1f} us"
    )
    return [
        {
            "name": "feed.delivery_p99",
            "value": round(told["p99_ms"], 1),
            "unit": f"ms, {count} readers",
            "note": note,
        },
        {
            "name": "feed.cpu",
            "value": round(cost_us, 2),
            "unit": "us CPU/delivery",
            "limit": round(bare_us, 2),
            "ratio": round(cost_us / bare_us, 2),
        },
    ]


async def measure() -> list[Row]:
    return await measured(READERS, SECONDS)


async def short() -> list[Row]:
    return await measured(SHORT_READERS, SHORT_SECONDS)


if __name__ == "__main__":
    for result in asyncio.run(measure()):
        print(result)
