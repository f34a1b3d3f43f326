"""A reader in a process of its own: the same signed list again and again, some at a time.

It is told what to do by lines of JSON on its standard input and answers each with one.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import aiohttp


async def load(asked: dict[str, Any]) -> dict[str, float]:
    """Ask `urls` in turn, `at_a_time` under way, for `count` answers or `seconds`."""
    urls, left = asked["urls"], asked.get("count", 10**9)
    took_s: list[float] = []
    connector = aiohttp.TCPConnector(limit=asked["at_a_time"])
    async with aiohttp.ClientSession(connector=connector) as session:
        began = time.perf_counter()
        until = began + asked.get("seconds", 10**6)

        async def one_after_another(first: int) -> None:
            nonlocal left
            number = first
            while left > 0 and time.perf_counter() < until:
                left -= 1
                number += 1
                sent = time.perf_counter()
                async with session.get(urls[number % len(urls)]) as response:
                    body = await response.read()
                    assert response.status == 200, body[:300]
                took_s.append(time.perf_counter() - sent)

        async with asyncio.TaskGroup() as group:
            for first in range(asked["at_a_time"]):
                group.create_task(one_after_another(first))
        wall_s = time.perf_counter() - began
    took_s.sort()
    p99_s = took_s[int(len(took_s) * 0.99)]
    return {"wall_s": wall_s, "count": len(took_s), "p99_ms": 1000 * p99_s}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(asyncio.run(load(json.loads(line)))), flush=True)
