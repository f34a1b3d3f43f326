"""What it costs to be several: the CPU of a deploy with two controllers of one cloud.

Two cores cannot show that two controllers do more than one, so CPU time is compared: of the
controllers' processes, with requests over HTTP and their polls, the engine, following Kafka and the
store, and publishing. Clients, hosts, PostgreSQL and Kafka are other processes. In one cloud, each
controller also folds what the other wrote, and decides again where the other was first.

Compared with two controllers side by side, each with a cloud of its own and the same load: two
busy processes cost each other time on the caches of one machine, which they would not on two. What
one controller takes alone for all of the load is told beside it.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.cloud import furnish
from benchmarks.deploy_http import load
from engine.clock import SystemClock
from sagastack.boot import controller
from sagastack.client import Client
from sagastack.settings import Settings
from tests.e2e.server import SAGASTACK, Server
from tests.peers import kafka, postgres

DEPLOYS, HOSTS, WARM = 1024, 60, 512
ROUNDS = 3
# The members of the group share the sagas out within it; what is left of that is warming up.
SHARED_OUT_S = 8.0
_numbers = count(1)


@dataclass(frozen=True)
class Fleet:
    """The controllers of one cloud, and an administrator's keys."""

    servers: list[Server]
    keys: dict[str, str]


@dataclass
class Measured:
    """One round: CPU seconds of all controllers, seconds, and appends that were decided again."""

    cpu_s: float
    wall_s: float
    conflicts: float
    units: float


async def round_of(
    clouds: int, controllers: int, server: postgres.Cluster, servers: str, home: Path
) -> Measured:
    """So many deploys, spread over so many controllers in each of so many clouds."""
    async with AsyncExitStack() as stack:
        made = [
            await stack.enter_async_context(
                _cloud(controllers, server.database(), servers, home / f"cloud{number}")
            )
            for number in range(clouds)
        ]
        await asyncio.sleep(SHARED_OUT_S)
        await _deploy(made, WARM, "warm")
        return await _measured(made)


@asynccontextmanager
async def _cloud(many: int, store: str, servers: str, home: Path) -> AsyncIterator[Fleet]:
    """A furnished cloud that so many controllers serve."""
    await asyncio.to_thread(home.mkdir)
    common: dict[str, Any] = {
        "store": store,
        "kafka": servers,
        "topics": f"bench{next(_numbers)}",
        "vault_key_file": home / "vault.key",
        "reconcile_s": 3600,
        "checkpoint_events": 10**9,
    }
    async with _world(home / "world") as world:
        first = Settings(home=home / "0", port=0, simulator={"server": world}, **common)
        async with controller(first) as made:
            await furnish(made.engine, host_count=HOSTS)
        words = {f"SAGASTACK_{name.upper()}": str(value) for name, value in common.items()}
        words["SAGASTACK_SIMULATOR"] = f"server={world}"
        fleet = [Server(home / str(number), **words) for number in range(many)]
        try:
            for one in fleet:
                await asyncio.to_thread(one.start)
            yield Fleet(fleet, await asyncio.to_thread(fleet[0].credentials))
        finally:
            for one in fleet:
                if one.runs:
                    await asyncio.to_thread(one.stop)


@asynccontextmanager
async def _world(home: Path) -> AsyncIterator[str]:
    """The address of a simulated data centre in a process of its own."""
    made = await asyncio.create_subprocess_exec(
        *(*SAGASTACK, "simulate", "--listen", "127.0.0.1:0"),
        stdout=asyncio.subprocess.PIPE,
        env=Server(home).environment,
    )
    assert made.stdout is not None
    try:
        line = (await made.stdout.readline()).decode()
        yield line.split()[-1]
    finally:
        made.terminate()
        await made.wait()


async def _deploy(clouds: list[Fleet], many: int, label: str) -> float:
    """Seconds that clients of all controllers took, each with its part."""
    total = sum(len(one.servers) for one in clouds)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                load(one.endpoint, cloud.keys, f"{label}-{number}", many // total, total)
            )
            for cloud in clouds
            for number, one in enumerate(cloud.servers)
        ]
    return max(task.result() for task in tasks)


async def _measured(clouds: list[Fleet]) -> Measured:
    fleet = [one for cloud in clouds for one in cloud.servers]
    cpu_s, (conflicts, units) = _cpu_s(fleet), await _appends(fleet)
    began = time.perf_counter()
    await _deploy(clouds, DEPLOYS, "guest")
    wall_s = time.perf_counter() - began
    async with aiohttp.ClientSession() as session:
        for cloud in clouds:
            for one in cloud.servers:
                await _counted(session, one, cloud.keys, (DEPLOYS + WARM) // len(clouds))
    cpu_s = _cpu_s(fleet) - cpu_s
    after = await _appends(fleet)
    return Measured(cpu_s, wall_s, after[0] - conflicts, after[1] - units)


async def _counted(
    session: aiohttp.ClientSession, one: Server, keys: dict[str, str], many: int
) -> None:
    """A read that follows a write waits for it: by then all is folded here as well."""
    client = Client(session, one.endpoint, keys["apikey"], keys["secretkey"], SystemClock())
    asked: dict[str, Any] = {"listall": True, "state": "Running", "pagesize": 1, "page": 1}
    found = await client.call("listVirtualMachines", **asked)
    assert found["count"] == many, f"{found['count']} of {many} guests run"


def _cpu_s(fleet: list[Server]) -> float:
    """What these processes have computed so far, in all their threads."""
    spent_ns = 0
    for one in fleet:
        for task in Path(f"/proc/{one.pid}/task").iterdir():
            spent_ns += int((task / "schedstat").read_text().split()[0])
    return spent_ns / 1e9


async def _appends(fleet: list[Server]) -> tuple[float, float]:
    """How many units were decided again, and how many were committed."""
    found = [0.0, 0.0]
    async with aiohttp.ClientSession() as session:
        for one in fleet:
            async with session.get(f"{one.base}/metrics") as answer:
                lines = (await answer.text()).splitlines()
            for at, name in enumerate(
                ("sagastack_log_conflicts_total", "sagastack_log_units_total")
            ):
                found[at] += sum(float(line.split()[-1]) for line in lines if line.startswith(name))
    return found[0], found[1]


# By name: clouds, and controllers in each.
SHAPES = {"alone": (1, 1), "apart": (2, 1), "together": (1, 2)}


async def measure() -> list[dict[str, Any]]:
    rounds: dict[str, list[Measured]] = {name: [] for name in SHAPES}
    with postgres.cluster() as server, kafka.broker() as broker:
        for name in ROUNDS * list(SHAPES):
            with tempfile.TemporaryDirectory(dir=Path.cwd()) as home:
                made = await round_of(*SHAPES[name], server, broker.servers, Path(home))
                rounds[name].append(made)
    cpu_s = {name: statistics.median(one.cpu_s for one in side) for name, side in rounds.items()}
    wall_s = {name: statistics.median(one.wall_s for one in side) for name, side in rounds.items()}
    together, apart = rounds["together"], rounds["apart"]
    ratios = [one.cpu_s / two.cpu_s for one, two in zip(together, apart, strict=True)]
    refused, units = sum(m.conflicts for m in together), sum(m.units for m in together)
    return [
        {
            "name": "many_controllers.cpu",
            "value": round(1e6 * cpu_s["together"] / DEPLOYS),
            "unit": "us CPU/deploy with two",
            "limit": round(1e6 * cpu_s["apart"] / DEPLOYS),
            "ratio": round(statistics.median(ratios), 2),
            "note": f"one alone takes {1e6 * cpu_s['alone'] / DEPLOYS:,.0f} us",
        },
        {
            "name": "many_controllers.rate",
            "value": round(DEPLOYS / wall_s["together"]),
            "unit": "deploys/s with two, clients and all on the same cores",
            "limit": round(DEPLOYS / wall_s["apart"]),
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
