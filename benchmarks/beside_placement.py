"""How many guests a second find a place: here and at OpenStack's Placement, in the same run.

As many hosts on both sides, the same resources (cores, memory, disk), one client and eight, over
HTTP. Placement answers candidates and takes a claim; a deploy here is signed, placed, charged to a
quota, given a disk, an address and a job, and on disk when it is answered, so ours is the larger
question. `python -m benchmarks.beside_placement 10000` asks it of more hosts.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.cloud import furnish
from benchmarks.deploy_http import PARAMS
from benchmarks.placement import placement
from engine.collector import settle
from projections.saga import RunState, saga_runs
from projections.vm import vms
from sagastack.boot import Controller, controller
from sagastack.settings import Settings

HOSTS = 1_000
CLIENTS = (1, 8)
SECONDS, SUPPLY_S, MOST = 8.0, 1800.0, 10**9
Row = dict[str, Any]


async def ask(**asked: Any) -> Row:
    """What the clients tell."""
    defaults = {"apikey": "", "secretkey": "", "count": MOST, "supply": False, "peer": True}
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.claim_load"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(SUPPLY_S):
            told, _ = await child.communicate(json.dumps(defaults | asked).encode() + b"\n")
    finally:
        if child.returncode is None:
            child.kill()
    assert child.returncode == 0, f"the clients failed with {child.returncode}"
    answer: Row = json.loads(told)
    return answer


@asynccontextmanager
async def ours(host_count: int) -> AsyncIterator[Controller]:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        quiet = Settings(home=Path(folder), port=0, reconcile_s=3600, checkpoint_events=10**9)
        async with controller(quiet) as cloud:
            await furnish(cloud.engine, host_count=host_count)
            settle()
            yield cloud


async def of_us(cloud: Controller, clients: int) -> float:
    """Deploys a second that were accepted; every one of them has to run in the end."""
    keys: Any = await cloud.credentials()
    before = len(cloud.cloud[vms])
    told = await ask(
        url=cloud.endpoint,
        apikey=keys.api_key,
        secretkey=keys.secret_key,
        params=PARAMS,
        label=f"claim{clients}",
        clients=clients,
        seconds=SECONDS,
        peer=False,
    )
    for row in list(cloud.cloud[saga_runs].by("state", RunState.RUNNING)):
        await cloud.engine.runner.wait(row.id)
    running = sum(row.state == "Running" for row in cloud.cloud[vms])
    assert running == before + told["done"], f"{running} guests run of {before + told['done']}"
    return float(told["per_s"])


async def compared(host_count: int) -> list[Row]:
    loop = asyncio.get_running_loop()
    peer = placement()
    url = await loop.run_in_executor(None, peer.__enter__)
    try:
        await ask(url=url, supply=True, count=host_count, clients=8)
        theirs = {
            clients: (await ask(url=url, clients=clients, seconds=SECONDS))["per_s"]
            for clients in CLIENTS
        }
    finally:
        await loop.run_in_executor(None, partial(peer.__exit__, None, None, None))
    async with ours(host_count) as cloud:
        here = {clients: await of_us(cloud, clients) for clients in CLIENTS}
    return [
        {
            "name": f"beside_placement.clients_{clients}",
            "value": round(here[clients], 1),
            "unit": f"places/s, {host_count:,} hosts",
            "limit": round(theirs[clients], 1),
            "ratio": round(here[clients] / theirs[clients], 1),
            "note": "the limit is Placement's",
        }
        for clients in CLIENTS
    ]


async def measure() -> list[Row]:
    return await compared(HOSTS)


if __name__ == "__main__":
    for result in asyncio.run(compared(int(sys.argv[1]) if len(sys.argv) > 1 else HOSTS)):
        print(result)
