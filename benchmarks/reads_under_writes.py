"""How many lists are answered while 64 writers deploy, against how many when nobody writes.

Readers and writers call the controller's gateway in its own process, without a network between: two
more processes would share two cores with it, and that share is what one would measure. Readers ask
without a pause for the 100 guests of a host; writers sign, deploy, and ask for their jobs
once they have ended.
"""

from __future__ import annotations

import asyncio
import json
import time
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from api.dispatch import Request
from benchmarks.cloud import named
from benchmarks.crowd import crowded
from benchmarks.deploy_http import PARAMS
from benchmarks.lists import signed
from sagastack.boot import Controller

ACCOUNTS, GUESTS_EACH, HOSTS = 20, 500, 100
READERS, WRITERS = 8, 64
SECONDS, ROUNDS = 6.0, 3


class Load:
    """Who asks, and how often they were answered."""

    def __init__(self, cloud: Controller, keys: Any) -> None:
        self._cloud, self._keys = cloud, keys
        self.lists = self.deploys = 0
        self._numbers = count()

    async def ask(self, command: str, **params: str) -> dict[str, Any]:
        url = signed(self._cloud, self._keys, command=command, **params)
        answer = await self._cloud.gateway.answer(Request("GET", parse_qsl(urlsplit(url).query)))
        assert answer.status == 200, answer.body[:300]
        told: dict[str, Any] = next(iter(json.loads(answer.body).values()))
        return told

    async def read(self) -> None:
        every = {"listall": "true", "hostid": str(named("host7"))}
        url = signed(self._cloud, self._keys, **every)
        request = Request("GET", parse_qsl(urlsplit(url).query))
        while True:
            answer = await self._cloud.gateway.answer(request)
            assert answer.status == 200
            self.lists += 1
            await asyncio.sleep(0)

    async def write(self) -> None:
        while True:
            name = f"w{next(self._numbers)}"
            job = await self.ask("deployVirtualMachine", **PARAMS, name=name)
            await self._cloud.engine.runner.wait(UUID(job["jobid"]))
            ended = await self.ask("queryAsyncJobResult", jobid=job["jobid"])
            assert ended["jobstatus"] == 1, ended
            self.deploys += 1

    async def run(self, *, writers: int) -> tuple[float, float]:
        """Lists and deploys a second."""
        self.lists = self.deploys = 0
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.write()) for _ in range(writers)]
            tasks += [group.create_task(self.read()) for _ in range(READERS)]
            began = time.perf_counter()
            await asyncio.sleep(SECONDS)
            took_s = time.perf_counter() - began
            lists, deploys = self.lists, self.deploys
            for task in tasks:
                task.cancel()
        return lists / took_s, deploys / took_s


async def measure() -> list[dict[str, Any]]:
    async with crowded(accounts=ACCOUNTS, guests_each=GUESTS_EACH, hosts=HOSTS) as cloud:
        load = Load(cloud, await cloud.credentials())
        await load.run(writers=0)
        rounds = [await _round(load) for _ in range(ROUNDS)]
    ratio, alone, beside, deploys = sorted(rounds)[ROUNDS // 2]
    return [
        {
            "name": "reads_under_writes.lists",
            "value": round(beside),
            "unit": "lists/s beside 64 writers",
            "limit": round(alone),
            "ratio": round(ratio, 2),
        },
        # Reads that keep their rate because nobody gets to write prove nothing.
        {
            "name": "reads_under_writes.deploys",
            "value": round(deploys),
            "unit": "deploys/s meanwhile",
        },
    ]


async def _round(load: Load) -> tuple[float, float, float, float]:
    alone, _ = await load.run(writers=0)
    beside, deploys = await load.run(writers=WRITERS)
    await asyncio.sleep(1)  # what the writers left under way
    return beside / alone, alone, beside, deploys


if __name__ == "__main__":
    for result in asyncio.run(measure()):
        print(result)
