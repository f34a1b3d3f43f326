"""Clients in a process of their own who want a place for a guest, one after another.

Of Placement they ask for candidates as Nova does (up to a thousand), choose one at random and claim
it; of us they ask to deploy a guest, which is placed, with its disk and its address, and on disk
when that is answered. One line of JSON on standard input says of whom and how; one line answers.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import aiohttp

from engine.clock import SystemClock
from sagastack.client import Client

HEADERS = {
    "x-auth-token": "admin",
    "OpenStack-API-Version": "placement 1.36",
    "Accept": "application/json",
}
RESOURCES = "VCPU:1,MEMORY_MB:512,DISK_GB:1"
TRIES = 20
Row = dict[str, Any]


async def claim(session: aiohttp.ClientSession, url: str) -> None:
    """One allocation at Placement; again where another was first, as Nova does."""
    for _ in range(TRIES):
        asked = {"resources": RESOURCES, "limit": "1000"}
        async with session.get(f"{url}/allocation_candidates", params=asked) as answer:
            assert answer.status == 200, await answer.text()
            found = (await answer.json())["allocation_requests"]
        body = random.choice(found) | {
            "project_id": str(UUID(int=1)),
            "user_id": str(UUID(int=2)),
            "consumer_generation": None,
        }
        async with session.put(f"{url}/allocations/{uuid4()}", json=body) as answer:
            if answer.status == 204:
                return
            assert answer.status == 409, await answer.text()
    raise AssertionError(f"no claim in {TRIES} tries")


async def supply(session: aiohttp.ClientSession, url: str, number: int) -> None:
    """A host of 32 cores, 256 GiB and a share of disk, as the simulator's are."""
    made = {"name": f"host{number}", "uuid": str(UUID(int=10_000 + number))}
    async with session.post(f"{url}/resource_providers", json=made) as answer:
        assert answer.status == 200, await answer.text()
        generation = (await answer.json())["generation"]
    totals = {"VCPU": 32, "MEMORY_MB": 262_144, "DISK_GB": 1_000}
    inventories = {name: {"total": total, "max_unit": total} for name, total in totals.items()}
    body = {"resource_provider_generation": generation, "inventories": inventories}
    path = f"{url}/resource_providers/{made['uuid']}/inventories"
    async with session.put(path, json=body) as answer:
        assert answer.status == 200, await answer.text()


async def load(asked: Row) -> Row:
    """`clients` at a time, for `seconds` or until `hosts` are supplied."""
    numbers, done = count(), 0
    async with aiohttp.ClientSession(headers=HEADERS if asked["peer"] else {}) as session:
        client = Client(session, asked["url"], asked["apikey"], asked["secretkey"], SystemClock())
        began = time.perf_counter()
        until = began + asked.get("seconds", 10**6)

        def wanted() -> Iterator[int]:
            while time.perf_counter() < until and (number := next(numbers)) < asked["count"]:
                yield number

        async def one_after_another() -> None:
            nonlocal done
            for number in wanted():
                if asked["supply"]:
                    await supply(session, asked["url"], number)
                elif asked["peer"]:
                    await claim(session, asked["url"])
                else:
                    named = {"name": f"{asked['label']}-{number}"}
                    await client.call("deployVirtualMachine", **asked["params"], **named)
                done += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(asked["clients"]):
                group.create_task(one_after_another())
        return {"per_s": done / (time.perf_counter() - began), "done": done}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(load(json.loads(sys.stdin.readline())))))
