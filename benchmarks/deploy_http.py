"""Deploys over HTTP, whole: signed request to Running, every event on disk, 30,000 hosts present.

The client is another process. Of the controller, CPU time is counted beside the rate, and told by
what it is spent on; each job is asked for five times a second, and those polls are part of it. The
time from asking until Running is from the client's request to the moment at which the controller
can tell of it. A second controller is in the same process: one cloud has 1,000 guests, the other
100,000, and deploys cost each in turn. What runs beside deploys by the clock is put off: the sweep,
statistics of hosts and guests, checkpoints (another process makes those). The simulated hosts live
in memory and answer at once: what they would keep of themselves is not the controller's cost.

`DEPLOY_HOSTS` and `DEPLOY_GUESTS` make it smaller, for a look.
"""

from __future__ import annotations

import asyncio
import cProfile
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from aggregates.base import Recorded
from benchmarks import phases, skeleton
from benchmarks.cloud import BY, NETWORK, OFFERING, ZONE
from benchmarks.data_centre import build, inhabit
from benchmarks.profiled import profiling
from benchmarks.tenants import sustained, tenants
from engine.collector import settle
from engine.genesis import BUILTIN_TEMPLATE
from engine.intents.setting import ChangeSetting
from sagastack.boot import Controller, controller
from sagastack.settings import Settings

HOSTS = int(os.environ.get("DEPLOY_HOSTS", "30000"))
FEW, MANY = 1_000, int(os.environ.get("DEPLOY_GUESTS", "100000"))
# What is under way is rate times latency (Little's law): 1,000 a second, each within 250 ms, leave
# room for 250 jobs at a time. More than keep the loop busy only wait longer, at the same rate.
AT_A_TIME = 192
WARM, DEPLOYS, ROUNDS = 512, 2_000, 3
GROWTH_DEPLOYS, GROWTH_ROUNDS = 640, 7
PARAMS = {
    "zoneid": str(ZONE),
    "templateid": str(BUILTIN_TEMPLATE),
    "serviceofferingid": str(OFFERING),
    "networkids": str(NETWORK),
}
Row = dict[str, Any]


async def load(
    endpoint: str, keys: dict[str, str], label: str, count: int, at_a_time: int = 64
) -> Any:
    """Let so many tenants in one process deploy `count` guests; what it tells of it."""
    asked: dict[str, Any] = {"params": PARAMS, "named": "name", "label": label, "count": count}
    asked |= {"at_a_time": at_a_time}
    return await tenants(endpoint, keys, "deployVirtualMachine", **asked)


@dataclass
class Measured:
    """One round: guests a second, CPU seconds of the controller and of its loop, and milliseconds
    until Running."""

    count: int
    rate: float
    cpu_s: float
    loop_s: float
    client_s: float
    events: int
    commits: int
    polls: int
    running_ms: list[float] = field(default_factory=list)

    @property
    def cpu_us(self) -> float:
        return 1e6 * self.cpu_s / self.count


class Bench:
    """A controller with a data centre, and when each of its jobs came to an end."""

    def __init__(self, cloud: Controller, keys: dict[str, str]) -> None:
        self.cloud, self.keys = cloud, keys
        self._ended: dict[str, float] = {}
        self._labels = 0
        cloud.log.listen(self._heard)

    def _heard(self, batch: Sequence[Recorded]) -> None:
        now_s = time.monotonic()
        for one in batch:
            if one.event.TOPIC == "saga.succeeded":
                self._ended[str(one.stream)] = now_s

    async def deploy(self, count: int, profile: cProfile.Profile | None = None) -> Measured:
        """So many guests, all of which come to run."""
        self._labels += 1
        stats = self.cloud.log.stats
        asked: dict[str, Any] = {"params": PARAMS, "named": "name"}
        asked |= {"label": f"guest-{self._labels}", "count": count, "at_a_time": AT_A_TIME}
        events, commits = stats.events, stats.batches
        cpu_s, loop_s = time.process_time(), time.thread_time()
        with profiling(profile):
            told = await tenants(self.cloud.endpoint, self.keys, "deployVirtualMachine", **asked)
        made = Measured(
            count=count,
            rate=sustained(self._ended[job] for job in told["jobs"]),
            cpu_s=time.process_time() - cpu_s,
            loop_s=time.thread_time() - loop_s,
            client_s=told["cpu_s"],
            events=stats.events - events,
            commits=stats.batches - commits,
            polls=told["polls"],
        )
        assert len(told["jobs"]) == count, f"{len(told['jobs'])} of {count} jobs"
        made.running_ms = sorted(
            1000 * (self._ended[job] - asked_s) for job, (asked_s, _, _) in told["jobs"].items()
        )
        return made


@asynccontextmanager
async def bench(hosts: int, guests: int, **more: Any) -> AsyncIterator[Bench]:
    """A controller on a data centre of this size."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        quiet: dict[str, Any] = {"reconcile_s": 1e6, "checkpoint_events": 10**9}
        quiet["simulator"] = {"state": ""}
        async with controller(Settings(home=Path(folder), port=0, **quiet, **more)) as cloud:
            for name in ("vm.stats.interval", "host.stats.interval"):
                await cloud.engine.decide(ChangeSetting(id=uuid4(), name=name, value="0"), BY)
            await build(cloud.engine, cloud.log, hosts=hosts)
            await inhabit(cloud.engine, cloud.log, guests=guests, hosts=hosts)
            made = await cloud.credentials()
            assert made is not None
            yield Bench(cloud, {"apikey": made.api_key, "secretkey": made.secret_key})


async def rates(one: Bench, name: str) -> list[Row]:
    """Rate, time until Running, CPU, and where that goes."""
    settle()
    await one.deploy(WARM)
    before = phases.threads_s()
    rounds = [await one.deploy(DEPLOYS) for _ in range(ROUNDS)]
    threads_us = phases.since(before, ROUNDS * DEPLOYS)
    profile = cProfile.Profile()
    await one.deploy(WARM, profile)
    cpu_us = statistics.median(m.cpu_us for m in rounds)
    loop_us = statistics.median(1e6 * m.loop_s / m.count for m in rounds)
    middle = sorted(rounds, key=lambda m: m.rate)[ROUNDS // 2]
    return [
        {
            "name": f"{name}.rate",
            "value": round(middle.rate),
            "unit": "deploys/s",
            "note": f"{HOSTS:,} hosts, {AT_A_TIME} jobs at a time; the client took "
            f"{1e6 * middle.client_s / middle.count:.0f} us CPU for each on the same cores",
        },
        {
            "name": f"{name}.p99",
            "value": round(_at(middle, 0.99)),
            "unit": "ms until Running",
            "note": f"median {_at(middle, 0.5):.0f} ms, from the client's request",
        },
        {
            "name": f"{name}.cpu",
            "value": round(cpu_us),
            "unit": "us CPU/deploy",
            "note": f"with {middle.polls / middle.count:.1f} polls each: the slower a machine, the "
            "more, so its figures do not compare with another's",
        },
        {
            "name": f"{name}.events",
            "value": round(middle.events / middle.count, 1),
            "unit": "events/deploy",
            "note": f"{middle.count / middle.commits:.1f} deploys to a commit of the log",
        },
        *phases.rows(name, profile, loop_us, cpu_us - loop_us, threads_us),
    ]


def _at(measured: Measured, share: float) -> float:
    return measured.running_ms[int(len(measured.running_ms) * share)]


async def growth(few: Bench, many: Bench) -> Row:
    """What a deploy costs with many guests there, against few; by turns, each round's own ratio."""
    settle()
    costs: list[tuple[float, float]] = []
    for bed in (few, many):
        await bed.deploy(WARM)
    for _ in range(GROWTH_ROUNDS):
        one, other = await few.deploy(GROWTH_DEPLOYS), await many.deploy(GROWTH_DEPLOYS)
        costs.append((one.cpu_us, other.cpu_us))
    limit, value = (statistics.median(column) for column in zip(*costs, strict=True))
    return {
        "name": "deploy_http.growth",
        "value": round(value),
        "unit": f"us CPU/deploy beside {MANY:,}",
        "limit": round(limit),
        "ratio": round(statistics.median(large / small for small, large in costs), 2),
        "note": f"the limit is beside {FEW:,} guests, with as many hosts",
    }


def kept(rate: float, bare: float) -> Row:
    """How much of what the machine allows at most is left with everything real in it."""
    return {
        "name": "deploy_http.kept",
        "value": rate,
        "unit": "deploys/s",
        "limit": round(bare),
        "ratio": round(rate / bare, 2),
        "note": f"the limit is a skeleton of the path, before and after: {skeleton.THERE:,} a "
        f"second where the budgets were set, and {skeleton.KEPT:,} are to be kept of them",
    }


async def measure() -> list[Row]:
    before = await skeleton.rate(PARAMS)
    async with bench(HOSTS, FEW) as few:
        found = await rates(few, "deploy_http")
        bare = (before + await skeleton.rate(PARAMS)) / 2
        found.insert(1, kept(found[0]["value"], bare))
        async with bench(HOSTS, MANY) as many:
            return [*found, await growth(few, many)]


if __name__ == "__main__":
    for result in asyncio.run(measure()):
        print(result)
