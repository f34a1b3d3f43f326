"""What it costs to be several: the CPU of a deploy with two whole controllers, against one alone.

Two cores cannot show that two controllers do more than one, so the CPU time of everything is
compared: signed requests, the engine, following Kafka and the store, and publishing.
With two, each also folds what the other wrote and decides again where the other was first. One and
two run in turns, each on its own database in the same PostgreSQL and with topics of its own.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from api.dispatch import Request
from benchmarks.cloud import furnish
from benchmarks.deploy_http import PARAMS
from benchmarks.lists import signed
from engine.cluster.ownership import Partitions
from projections.vm import vms
from sagastack.boot import Controller, controller
from sagastack.settings import Settings
from sagastack.tools.simulate import simulated
from tests.peers import kafka, postgres

DEPLOYS, AT_A_TIME, HOSTS, WARM = 1024, 64, 60, 512
ROUNDS = 3
DEADLINE_S = 180.0
_numbers = count(1)


@dataclass
class Measured:
    """One round: CPU seconds, seconds, and how many appends were refused and decided again."""

    cpu_s: float
    wall_s: float
    conflicts: int
    units: int


class Client:
    """Deploys through one controller's gateway, as a signed request would."""

    def __init__(self, made: Controller, keys: Any) -> None:
        self.made, self._keys = made, keys

    async def ask(self, command: str, **params: str) -> dict[str, Any]:
        url = signed(self.made, self._keys, command=command, **params)
        answer = await self.made.gateway.answer(Request("GET", parse_qsl(urlsplit(url).query)))
        assert answer.status == 200, answer.body[:300]
        told: dict[str, Any] = next(iter(json.loads(answer.body).values()))
        return told

    async def deploy(self, name: str) -> None:
        job = await self.ask("deployVirtualMachine", **PARAMS, name=name)
        await self.made.engine.runner.wait(UUID(job["jobid"]))
        ended = await self.ask("queryAsyncJobResult", jobid=job["jobid"])
        assert ended["jobstatus"] == 1, ended


async def deploys(clients: list[Client], many: int, label: str) -> None:
    names = iter([f"{label}-{number}" for number in range(many)])

    async def one_after_another(client: Client) -> None:
        for name in names:
            await client.deploy(name)

    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        for number in range(AT_A_TIME):
            group.create_task(one_after_another(clients[number % len(clients)]))


async def round_of(many: int, server: postgres.Cluster, servers: str, home: Path) -> Measured:
    """So many deploys, spread over so many controllers."""
    common: dict[str, Any] = {
        "port": 0,
        "store": server.database(),
        "kafka": servers,
        "topics": f"bench{next(_numbers)}",
        "vault_key_file": home / "vault.key",
        "reconcile_s": 3600,
        "checkpoint_events": 10**9,
    }
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(
            simulated(Settings(home=home / "world"), "127.0.0.1:0", None)
        )
        made = [
            await stack.enter_async_context(
                controller(Settings(home=home / str(n), simulator={"server": world}, **common))
            )
            for n in range(many)
        ]
        await shared_out(made)
        await furnish(made[0].engine, host_count=HOSTS)
        clients = [Client(one, await one.credentials()) for one in made]
        await deploys(clients, WARM, "warm")
        return await measured(made, clients)


async def shared_out(made: list[Controller]) -> None:
    """Every saga is somebody's."""
    owners = [one.member.owner for one in made]
    async with asyncio.timeout(DEADLINE_S):
        while not all(isinstance(one, Partitions) and one.mine for one in owners):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def measured(made: list[Controller], clients: list[Client]) -> Measured:
    stats = [one.log.stats for one in made]
    before = sum(one.conflicts for one in stats), sum(one.units for one in stats)
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    await deploys(clients, DEPLOYS, "guest")
    for one in made:
        await one.log.look()
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    for one in made:
        assert sum(row.state == "Running" for row in one.cloud[vms]) == DEPLOYS + WARM
    conflicts, units = sum(one.conflicts for one in stats), sum(one.units for one in stats)
    return Measured(cpu_s, wall_s, conflicts - before[0], units - before[1])


async def measure() -> list[dict[str, Any]]:
    rounds: dict[int, list[Measured]] = {1: [], 2: []}
    with postgres.cluster() as server, kafka.broker() as broker:
        for many in ROUNDS * [1, 2]:
            with tempfile.TemporaryDirectory(dir=Path.cwd()) as home:
                rounds[many].append(await round_of(many, server, broker.servers, Path(home)))
    lone, both = (statistics.median(m.cpu_s for m in side) for side in rounds.values())
    ratios = [two.cpu_s / one.cpu_s for one, two in zip(*rounds.values(), strict=True)]
    refused, units = sum(m.conflicts for m in rounds[2]), sum(m.units for m in rounds[2])
    rates = [DEPLOYS / statistics.median(m.wall_s for m in side) for side in rounds.values()]
    return [
        {
            "name": "many_controllers.cpu",
            "value": round(1e6 * both / DEPLOYS),
            "unit": "us CPU/deploy with two",
            "limit": round(1e6 * lone / DEPLOYS),
            "ratio": round(statistics.median(ratios), 2),
        },
        {
            "name": "many_controllers.rate",
            "value": round(rates[1]),
            "unit": "deploys/s with two in one process",
            "limit": round(rates[0]),
        },
        {
            "name": "many_controllers.conflicts",
            "value": round(100 * refused / (units + refused), 2),
            "unit": "% of the appends decided again",
        },
    ]


if __name__ == "__main__":
    for result in asyncio.run(measure()):
        print(result)
