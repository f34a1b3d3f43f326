"""What it costs to be several: the CPU of a deploy with two controllers, against one alone.

Two cores cannot show that two controllers do more than one, so the CPU time of the controllers'
processes is compared: requests over HTTP with their polls, the engine, following Kafka and the
store, and publishing. With two, each also folds what the other wrote and decides again where the
other was first. Clients, hosts, PostgreSQL and Kafka are other processes. One and two run in
turns, each on its own database and with topics of its own.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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


@dataclass
class Measured:
    """One round: CPU seconds of all controllers, seconds, and appends that were decided again."""

    cpu_s: float
    wall_s: float
    conflicts: float
    units: float


async def round_of(many: int, server: postgres.Cluster, servers: str, home: Path) -> Measured:
    """So many deploys, spread over so many controllers."""
    common: dict[str, Any] = {
        "store": server.database(),
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
            await asyncio.sleep(SHARED_OUT_S)
            keys = await asyncio.to_thread(fleet[0].credentials)
            await _deploy(fleet, keys, WARM, "warm")
            return await _measured(fleet, keys)
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


async def _deploy(fleet: list[Server], keys: dict[str, str], many: int, label: str) -> float:
    """Seconds that clients of all controllers took, each with its part."""
    tasks = []
    async with asyncio.TaskGroup() as group:
        for number, one in enumerate(fleet):
            part = load(one.endpoint, keys, f"{label}-{number}", many // len(fleet), len(fleet))
            tasks.append(group.create_task(part))
    return max(task.result() for task in tasks)


async def _measured(fleet: list[Server], keys: dict[str, str]) -> Measured:
    cpu_s, (conflicts, units) = _cpu_s(fleet), await _appends(fleet)
    began = time.perf_counter()
    await _deploy(fleet, keys, DEPLOYS, "guest")
    wall_s = time.perf_counter() - began
    async with aiohttp.ClientSession() as session:
        for one in fleet:
            # A read that follows a write waits for it: by then all is folded here as well.
            client = Client(session, one.endpoint, keys["apikey"], keys["secretkey"], SystemClock())
            found = await client.call(
                "listVirtualMachines", listall=True, state="Running", pagesize=1, page=1
            )
            assert found["count"] == DEPLOYS + WARM, found["count"]
    cpu_s = _cpu_s(fleet) - cpu_s
    after = await _appends(fleet)
    return Measured(cpu_s, wall_s, after[0] - conflicts, after[1] - units)


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
            "unit": "deploys/s with two, clients and all on the same cores",
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
