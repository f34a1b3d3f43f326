"""A tenant's client in a process of its own: signed deploys over HTTP, many under way at a time.

It is told what to do by one line of JSON on its standard input, so that no key is ever an
argument, and answers with one line.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import aiohttp

from engine.clock import SystemClock
from sagastack.client import Client


async def load(asked: dict[str, Any]) -> dict[str, float]:
    """Deploy `count` guests and wait for each one's job."""
    async with aiohttp.ClientSession() as session:
        keys = (asked["endpoint"], asked["apikey"], asked["secretkey"])
        client = Client(session, *keys, SystemClock())
        names = iter([f"{asked['label']}-{number}" for number in range(asked["count"])])

        async def one_after_another() -> None:
            for name in names:
                params = asked["params"] | {"name": name}
                answer = await client.job("deployVirtualMachine", **params)
                assert answer["virtualmachine"]["state"] == "Running", answer

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(asked["at_a_time"]):
                group.create_task(one_after_another())
        return {"wall_s": time.perf_counter() - began}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(load(json.loads(sys.stdin.readline())))))
