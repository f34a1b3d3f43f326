"""What it costs to be several: the CPU of a deploy with two controllers of one cloud.

Two cores cannot show that two controllers do more than one, so CPU time is compared: of the
controllers' processes, with requests over HTTP and their polls, the engine, following Kafka and the
store, and publishing. Clients, hosts, PostgreSQL and Kafka are other processes. In one cloud, each
controller also folds what the other wrote, and decides again where the other was first.

One is made two to carry more, so each of the two has as many tenants as the one that is alone:
that is what is compared, each pair of rounds one after the other. Beside it, without a bound, stand
two that share what the one had alone: each commits as often for half as many, and both are idle
for half of the time. What makes a difference is counted too: polls, commits, events that others
wrote, and the CPU time of PostgreSQL and Kafka.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import astuple, dataclass
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

DEPLOYS, HOSTS, WARM = 2048, 60, 512
TENANTS = 64
ROUNDS = 3
# The members of the group share the sagas out within it; what is left of that is warming up.
SHARED_OUT_S, IDLE_S = 8.0, 3.0
_numbers = count(1)


@dataclass(frozen=True)
class Fleet:
    """The controllers of one cloud, and an administrator's keys."""

    servers: list[Server]
    keys: dict[str, str]


@dataclass(frozen=True)
class Figures:
    """What was computed and counted up to one moment, over all controllers of all clouds."""

    cpu_s: float
    postgres_s: float
    kafka_s: float
    conflicts: float
    units: float
    commits: float
    events: float


@dataclass(frozen=True)
class Measured:
    """One round: what it took, seconds, polls, and CPU a second while nothing was done."""

    spent: Figures
    wall_s: float
    polls: int
    idle: float


@dataclass(frozen=True)
class Peers:
    """The processes that all controllers share."""

    postgres: postgres.Cluster
    kafka: kafka.Broker

    def cpu_s(self) -> tuple[float, float]:
        """PostgreSQL with all its backends, those that have ended too, and Kafka."""
        main = self.postgres.pid
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        ended = Path(f"/proc/{main}/stat").read_text().rpartition(")")[2].split()[13:15]
        ticks = sum(map(int, ended)) / os.sysconf("SC_CLK_TCK")
        alive = sum(_process_s(pid) for pid in (main, *map(int, children)))
        return alive + ticks, _process_s(self.kafka.pid)


async def round_of(controllers: int, tenants: int, peers: Peers, home: Path) -> Measured:
    """A new cloud of so many controllers, each with so many tenants that deploy."""
    async with _cloud(controllers, peers.postgres.database(), peers.kafka.servers, home) as cloud:
        await asyncio.sleep(SHARED_OUT_S)
        before_s = _cpu_s(cloud)
        await asyncio.sleep(IDLE_S)
        idle = (_cpu_s(cloud) - before_s) / IDLE_S
        await _deploy(cloud, WARM, "warm", tenants)
        return await _measured(cloud, peers, idle, tenants)


@asynccontextmanager
async def _cloud(many: int, store: str, servers: str, home: Path) -> AsyncIterator[Fleet]:
    """A furnished cloud that so many controllers serve."""
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


async def _deploy(cloud: Fleet, many: int, label: str, tenants: int) -> tuple[float, int]:
    """Seconds that the tenants of all controllers took, and how often they asked for jobs."""
    each = many // len(cloud.servers)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(load(one.endpoint, cloud.keys, f"{label}-{number}", each, tenants))
            for number, one in enumerate(cloud.servers)
        ]
    told = [task.result() for task in tasks]
    return max(float(one["wall_s"]) for one in told), sum(int(one["polls"]) for one in told)


async def _measured(cloud: Fleet, peers: Peers, idle: float, tenants: int) -> Measured:
    before = await _figures(cloud, peers)
    units = [await _metric(one, UNITS) for one in cloud.servers]
    wall_s, polls = await _deploy(cloud, DEPLOYS, "guest", tenants)
    async with aiohttp.ClientSession() as session:
        for one in cloud.servers:
            await _counted(session, one, cloud.keys, DEPLOYS + WARM)
    after = await _figures(cloud, peers)
    for one, known in zip(cloud.servers, units, strict=True):
        wrote = await _metric(one, UNITS) - known
        assert wrote >= DEPLOYS / len(cloud.servers), f"{wrote} units: has a controller its part?"
    spent = [late - early for late, early in zip(astuple(after), astuple(before), strict=True)]
    return Measured(Figures(*spent), wall_s, polls, idle)


async def _counted(
    session: aiohttp.ClientSession, one: Server, keys: dict[str, str], many: int
) -> None:
    """A read that follows a write waits for it: by then all is folded here as well."""
    client = Client(session, one.endpoint, keys["apikey"], keys["secretkey"], SystemClock())
    asked: dict[str, Any] = {"listall": True, "state": "Running", "pagesize": 1, "page": 1}
    found = await client.call("listVirtualMachines", **asked)
    assert found["count"] == many, f"{found['count']} of {many} guests run"


def _process_s(pid: int) -> float:
    """What a process has computed so far, in all its threads; 0 for one that is gone."""
    spent_ns = 0
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            spent_ns += int((task / "schedstat").read_text().split()[0])
    return spent_ns / 1e9


def _cpu_s(cloud: Fleet) -> float:
    return sum(_process_s(one.pid) for one in cloud.servers)


async def _figures(cloud: Fleet, peers: Peers) -> Figures:
    counted = [sum([await _metric(one, name) for one in cloud.servers]) for name in COUNTED]
    return Figures(_cpu_s(cloud), *peers.cpu_s(), *counted)


UNITS = "sagastack_log_units_total"
COUNTED = (
    "sagastack_log_conflicts_total",
    UNITS,
    "sagastack_log_commits_total",
    "sagastack_log_events_total",
)


async def _metric(one: Server, name: str) -> float:
    async with aiohttp.ClientSession() as session, session.get(f"{one.base}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


# By name: controllers, and tenants of each.
SHAPES = {"alone": (1, TENANTS), "together": (2, TENANTS), "split": (2, TENANTS // 2)}


async def measure() -> list[dict[str, Any]]:
    rounds: dict[str, list[Measured]] = {name: [] for name in SHAPES}
    with postgres.cluster() as server, kafka.broker() as broker:
        for name in ROUNDS * list(SHAPES):
            with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
                home = Path(folder)
                made = await round_of(*SHAPES[name], Peers(server, broker), home)
                rounds[name].append(made)
    together = rounds["together"]
    refused = sum(one.spent.conflicts for one in together)
    units = sum(one.spent.units for one in together)
    wall_s = {name: statistics.median(one.wall_s for one in side) for name, side in rounds.items()}
    return [
        {"name": "many_controllers.cpu", **_against(together, rounds["alone"])},
        {"name": "many_controllers.cpu_split", **_against(rounds["split"], rounds["alone"])},
        {
            "name": "many_controllers.rate",
            "value": round(DEPLOYS / wall_s["together"]),
            "unit": "deploys/s with two, tenants and all on the same cores",
            "limit": round(DEPLOYS / wall_s["alone"]),
            "note": "; ".join(f"{name}: {_told(side)}" for name, side in rounds.items()),
        },
        {
            "name": "many_controllers.conflicts",
            "value": round(100 * refused / (units + refused), 2),
            "unit": "% of the appends decided again",
        },
    ]


def _against(side: list[Measured], other: list[Measured]) -> dict[str, Any]:
    """What a deploy takes of the controllers' CPU, round by round."""
    ratios = [one.spent.cpu_s / two.spent.cpu_s for one, two in zip(side, other, strict=True)]
    return {
        "value": _a_deploy_us(one.spent.cpu_s for one in side),
        "unit": "us CPU/deploy with two",
        "limit": _a_deploy_us(one.spent.cpu_s for one in other),
        "ratio": round(statistics.median(ratios), 2),
    }


def _told(side: list[Measured]) -> str:
    """What may have made the difference."""
    one = sorted(side, key=lambda made: made.spent.cpu_s)[len(side) // 2]
    spent = one.spent
    return (
        f"{one.polls / DEPLOYS:.1f} polls and {spent.commits / DEPLOYS:.2f} commits a deploy, "
        f"{spent.events / DEPLOYS:.0f} events folded, PostgreSQL {_a_deploy_us([spent.postgres_s])}"
        f" us, Kafka {_a_deploy_us([spent.kafka_s])} us, {1000 * one.idle:.0f} ms CPU a second "
        "when nothing is done"
    )


def _a_deploy_us(seconds: Iterable[float]) -> int:
    return round(1e6 * statistics.median(seconds) / DEPLOYS)


if __name__ == "__main__":
    for result in asyncio.run(measure()):
        print(result)
